"""What is different from the vendor's API, operation by operation; `docs.api` makes a page of it."""

#: Of every operation.
EVERYWHERE = """
- **Base URL.** It is your site's; the path begins where you put `django_verify.api.urls`. In development
  plain `http` will do.
- **Credentials** are HTTP Basic alone: an account's SID and token, or an API key's SID and secret, both made in the
  admin or by `manage.py createverifyaccount`. There are no OAuth tokens, regions, edges or subaccounts.
- **Bodies.** A form, as the SDKs send it. A JSON object with the same names is accepted as well; the four
  operations under `Passkeys` take JSON alone. A body of more than
  [`MAX_BODY`](settings.md) bytes is refused with 413, and a parameter that stands in the body and in the query
  with 400.
- **Headers.** `Twilio-Request-Id` and the headers for CORS are not sent. Every answer has
  `Cache-Control: no-store`.
- **Lists** begin with the newest (challenges with the oldest, unless `Order` is `desc`), and `PageToken` is of our own form. SDKs follow `next_page_url` without looking
  at it.
- **Limits on requests** of an account do not exist, but for those that are named below.
- **503** with `Retry-After` means that the database, or the Redis of the rate limits, is away; see
  [When a request fails](failures.md).
"""

#: Said of an operation where nothing is different.
NONE = "nothing."

_ENTITY = "Services/{ServiceSid}/Entities"
_FACTORS = f"{_ENTITY}/{{Identity}}/Factors"
_CHALLENGES = f"{_ENTITY}/{{Identity}}/Challenges"
_COUNTRIES = "Services/{ServiceSid}/MessagingConfigurations"
_LIMITS = "Services/{ServiceSid}/RateLimits"
_BUCKETS = f"{_LIMITS}/{{RateLimitSid}}/Buckets"
_PASSKEYS = "Services/{ServiceSid}/Passkeys"
_VERIFICATIONS = "Services/{ServiceSid}/Verifications"
_WEBHOOKS = "Services/{ServiceSid}/Webhooks"

_SERVICE = (
    "What the vendor's support or console switches is in the admin: the lifetime of codes, the channels, the"
    " numbers of sends and guesses. `Psd2Enabled`, `CustomCodeEnabled` and passkeys need nobody's leave."
    " [`RESTRICTED_WORDS`](settings.md) decides which names are refused with 60248."
)
_WEBHOOK = (
    "The rules for `WebhookUrl` are [stricter](attempts.md#webhooks): https, port 443 or 8443, a public host."
    " Deliveries are signed under a secret of the webhook, which the admin shows once, and never by the auth"
    " token; see [Webhooks and events](webhooks.md)."
)
_COUNTRY = (
    "`MessagingServiceSid` names a list of [senders](templates.md#routes-by-country) of your site. A SID that"
    " names none is accepted, and stands for the service's own senders."
)
_NO_PASSKEYS = "Without the extra `passkeys` it answers 403/60204."
_ATTEMPTS = (
    "`Channel` may be `telegram` as well. `price` is null where the sender does not report one, and `mcc`,"
    " `mnc` and `carrier` where the carrier was not looked up."
)

DIFFERENCES = {
    ("GET", "Attempts"): _ATTEMPTS
    + " A page may be short, or empty, and yet have a [`next_page_url`](attempts.md#attempts).",
    ("GET", "Attempts/Summary"): "`Channel` may be `telegram` as well. Attempts of"
    ' [test numbers](verification.md#test-numbers) are not counted. Of no attempts the percentage is `"0"`.',
    ("GET", "Attempts/{Sid}"): _ATTEMPTS,
    ("GET", "Forms/{FormType}"): "The schemas are complete JSON Schemas (draft 2020-12).",
    (
        "POST",
        "SafeList/Numbers",
    ): "A number on the list passes [prefix rules, countries and the type of the"
    " number](fraud.md#the-safe-list), on every channel. Spellings of one subscriber are one entry; a second"
    " one is 409/60411.",
    ("GET", "SafeList/Numbers/{PhoneNumber}"): "Any spelling of the number finds it.",
    ("DELETE", "SafeList/Numbers/{PhoneNumber}"): "Any spelling of the number finds it.",
    ("POST", "Services"): _SERVICE,
    ("GET", "Services"): NONE,
    ("POST", "Services/{Sid}"): _SERVICE,
    ("GET", "Services/{Sid}"): "`totp` has the numbers that hold, and never null.",
    ("DELETE", "Services/{Sid}"): "Everything below the service is deleted with it.",
    (
        "POST",
        "Services/{ServiceSid}/AccessTokens",
    ): "The token allows one factor, once. It needs the extra `jose`.",
    (
        "GET",
        "Services/{ServiceSid}/AccessTokens/{Sid}",
    ): "The token is stored nowhere, so each answer has"
    " another spelling of it; all of them are good.",
    ("POST", _ENTITY): "An account makes at most 40 entities in a second; then 429/60328.",
    ("GET", _ENTITY): NONE,
    ("GET", f"{_ENTITY}/{{Identity}}"): NONE,
    ("DELETE", f"{_ENTITY}/{{Identity}}"): "Its factors and challenges are deleted with it.",
    ("POST", _CHALLENGES): "A wrong code answers 201 with `pending`. The"
    " [limits](factors.md#limits) of guesses and challenges are of our own, besides the vendor's.",
    ("GET", _CHALLENGES): NONE,
    (
        "POST",
        f"{_CHALLENGES}/{{ChallengeSid}}/Notifications",
    ): "Three may be asked for besides the first one; then 429/60309.",
    (
        "POST",
        f"{_CHALLENGES}/{{Sid}}",
    ): "A wrong code answers 200 with `pending`. A code of an authenticator"
    " app [counts once](factors.md#a-code-works-once).",
    ("GET", f"{_CHALLENGES}/{{Sid}}"): NONE,
    (
        "POST",
        _FACTORS,
    ): "`FactorType=passkeys` is refused with 60369. `push` needs the extra `jose`. The"
    " [limits](factors.md#limits) of factors are of our own.",
    ("GET", _FACTORS): NONE,
    (
        "POST",
        f"{_FACTORS}/{{Sid}}",
    ): "A wrong code answers 200 with `unverified`; a wrong signature of a device is 403/60311.",
    ("GET", f"{_FACTORS}/{{Sid}}"): NONE,
    ("DELETE", f"{_FACTORS}/{{Sid}}"): "Its challenges are deleted with it.",
    ("POST", _COUNTRIES): _COUNTRY,
    ("GET", _COUNTRIES): NONE,
    ("POST", f"{_COUNTRIES}/{{Country}}"): _COUNTRY,
    ("GET", f"{_COUNTRIES}/{{Country}}"): "The country may be in either case.",
    ("DELETE", f"{_COUNTRIES}/{{Country}}"): "The country may be in either case.",
    ("POST", f"{_PASSKEYS}/ApproveChallenge"): f"{_NO_PASSKEYS} A challenge takes"
    " [one answer](passkeys.md#one-answer), right or wrong. Where it named nobody, the answer names the entity"
    " and the factor that approved it.",
    (
        "POST",
        f"{_PASSKEYS}/Challenges",
    ): f"{_NO_PASSKEYS} `options` are those of a sign-in, as browsers and the"
    " device SDKs read them.",
    (
        "POST",
        f"{_PASSKEYS}/Factors",
    ): f"{_NO_PASSKEYS} `pubKeyCredParams` is a list, and allows RS256 besides ES256.",
    ("POST", f"{_PASSKEYS}/VerifyFactor"): f"{_NO_PASSKEYS} A registration takes"
    " [one answer](passkeys.md#one-answer), right or wrong.",
    (
        "POST",
        _LIMITS,
    ): "A service has 20 limits at most ([`RATE_LIMITS_PER_SERVICE`](settings.md)).",
    ("GET", _LIMITS): NONE,
    ("POST", f"{_LIMITS}/{{Sid}}"): NONE,
    ("GET", f"{_LIMITS}/{{Sid}}"): NONE,
    ("DELETE", f"{_LIMITS}/{{Sid}}"): NONE,
    ("POST", _BUCKETS): "`Interval` may be up to 86400 seconds. A limit has 10 buckets at most"
    " ([`BUCKETS_PER_RATE_LIMIT`](settings.md)).",
    ("GET", _BUCKETS): NONE,
    (
        "POST",
        f"{_BUCKETS}/{{Sid}}",
    ): "`Interval` may be up to 86400 seconds. A changed interval begins a new count.",
    ("GET", f"{_BUCKETS}/{{Sid}}"): NONE,
    ("DELETE", f"{_BUCKETS}/{{Sid}}"): NONE,
    (
        "POST",
        "Services/{ServiceSid}/VerificationCheck",
    ): "The status is always 200. Any spelling of the number"
    " finds the verification. After five wrong codes it answers 429/60202 until the verification's lifetime ends"
    " or it is canceled. `sna_attempts_error_codes` is null where the last channel was not `sna`.",
    (
        "POST",
        _VERIFICATIONS,
    ): "`Channel` may be [`telegram`](channels.md#telegram), and [`rbm`](channels.md#rcs) or"
    " `rcs` where a sender serves it. `CustomMessage` is refused with 60243, `CustomFriendlyName` allowed to every"
    " account. An unknown `Locale` is 400/60200. The [guard](fraud.md) decides in place of Fraud Guard. The"
    " recipient has a [budget of guesses](lockout.md) beside the five of each verification: where it is used up, a"
    " start is 429/60203 with `Retry-After`.",
    (
        "POST",
        f"{_VERIFICATIONS}/{{Sid}}",
    ): "A verification whose guesses are used up can be canceled too; the"
    " guesses stay counted. Any spelling of the recipient finds it.",
    (
        "GET",
        f"{_VERIFICATIONS}/{{Sid}}",
    ): "One that was canceled or used up can be read for a day after its"
    " lifetime. Reads are not limited while `DEBUG` is on.",
    ("POST", _WEBHOOKS): _WEBHOOK,
    ("GET", _WEBHOOKS): NONE,
    ("POST", f"{_WEBHOOKS}/{{Sid}}"): _WEBHOOK,
    ("GET", f"{_WEBHOOKS}/{{Sid}}"): NONE,
    ("DELETE", f"{_WEBHOOKS}/{{Sid}}"): NONE,
    (
        "GET",
        "Templates",
    ): "Templates are written in the [admin](templates.md), and the four that come with the app"
    " are every account's.",
}
