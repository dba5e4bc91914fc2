"""Settings of gunicorn that its command line does not have in every version."""

# Two servers run at once and would share the default path.
control_socket_disable = True
