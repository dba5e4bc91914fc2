"""The emulator: the whole `/v2` on loopback without a Django project, with an inbox for the codes.

It is a site of its own, made of the other rooms: `site` configures it, `contents` fills it,
`admission` lets callers in, `views` has the inbox and what steers time, reports and faults. No verb
is here.
"""
