"""The 57 operations of the contract: what is asked, what is answered, with which status."""

from typing import NamedTuple


class Operation(NamedTuple):
    """One operation; `key` is the name of a list's rows, `answer` the keys of one object."""

    method: str
    path: str
    parameters: frozenset
    status: int
    answer: frozenset
    key: str


ACCESS_TOKEN = (
    "account_sid date_created entity_identity factor_friendly_name factor_type service_sid "
    "sid token ttl url"
)
ATTEMPT = (
    "account_sid channel channel_data conversion_status date_created date_updated price "
    "service_sid sid url verification_sid"
)
BUCKET = "account_sid date_created date_updated interval max rate_limit_sid service_sid sid url"
CHALLENGE = (
    "account_sid date_created date_responded date_updated details entity_sid expiration_date "
    "factor_sid factor_type hidden_details identity links metadata responded_reason "
    "service_sid sid status url"
)
CHECK = (
    "account_sid amount channel date_created date_updated payee service_sid sid "
    "sna_attempts_error_codes status to valid"
)
ENTITY = "account_sid date_created date_updated identity links service_sid sid url"
FACTOR = (
    "account_sid config date_created date_updated entity_sid factor_type friendly_name "
    "identity metadata service_sid sid status url"
)
FORM = "form_meta form_type forms url"
MESSAGING_CONFIGURATION = (
    "account_sid country date_created date_updated messaging_service_sid service_sid url"
)
NEW_FACTOR = (
    "account_sid binding config date_created date_updated entity_sid factor_type "
    "friendly_name identity metadata options service_sid sid status url"
)
NOTIFICATION = (
    "account_sid challenge_sid date_created entity_sid identity priority service_sid sid ttl"
)
PASSKEY_CHALLENGE = (
    "account_sid date_created date_responded date_updated details entity_sid expiration_date "
    "factor_sid factor_type hidden_details identity links metadata options responded_reason "
    "service_sid sid status url"
)
RATE_LIMIT = (
    "account_sid date_created date_updated description links service_sid sid unique_name url"
)
SAFE_LIST_NUMBER = "phone_number sid url"
SERVICE = (
    "account_sid code_length custom_code_enabled date_created date_updated "
    "default_template_sid do_not_share_warning_enabled dtmf_input_required friendly_name "
    "links lookup_enabled passkeys psd2_enabled push sid skip_sms_to_landlines totp tts_name "
    "url verify_event_subscription_enabled whatsapp"
)
SUMMARY = "conversion_rate_percentage total_attempts total_converted total_unconverted url"
TEMPLATE = "account_sid channels friendly_name sid translations"
VERIFICATION = (
    "account_sid amount channel date_created date_updated lookup payee send_code_attempts "
    "service_sid sid sna status to url valid"
)
WEBHOOK = (
    "account_sid date_created date_updated event_types friendly_name service_sid sid status "
    "url version webhook_method webhook_url"
)

PAGES = "PageSize Page PageToken"
ATTEMPT_FILTERS = (
    "DateCreatedAfter DateCreatedBefore ChannelData.To Country Channel VerifyServiceSid "
    "VerificationSid Status"
)
SUMMARY_FILTERS = (
    "VerifyServiceSid DateCreatedAfter DateCreatedBefore Country Channel DestinationPrefix"
)
SERVICE_PARAMETERS = (
    "FriendlyName CodeLength LookupEnabled SkipSmsToLandlines DtmfInputRequired TtsName "
    "Psd2Enabled DoNotShareWarningEnabled CustomCodeEnabled Push.IncludeDate "
    "Push.ApnCredentialSid Push.FcmCredentialSid Totp.Issuer Totp.TimeStep Totp.CodeLength "
    "Totp.Skew DefaultTemplateSid Whatsapp.MsgServiceSid Whatsapp.From "
    "Passkeys.RelyingParty.Id Passkeys.RelyingParty.Name Passkeys.RelyingParty.Origins "
    "Passkeys.AuthenticatorAttachment Passkeys.DiscoverableCredentials "
    "Passkeys.UserVerification VerifyEventSubscriptionEnabled"
)
CHALLENGE_PARAMETERS = (
    "FactorSid ExpirationDate Details.Message Details.Fields HiddenDetails AuthPayload"
)
NEW_FACTOR_PARAMETERS = (
    "FriendlyName FactorType Binding.Alg Binding.PublicKey Config.AppId "
    "Config.NotificationPlatform Config.NotificationToken Config.SdkVersion Binding.Secret "
    "Config.TimeStep Config.Skew Config.CodeLength Config.Alg Metadata"
)
FACTOR_CHANGES = (
    "AuthPayload FriendlyName Config.NotificationToken Config.SdkVersion Config.TimeStep "
    "Config.Skew Config.CodeLength Config.Alg Config.NotificationPlatform"
)
VERIFICATION_PARAMETERS = (
    "To Channel CustomFriendlyName CustomMessage SendDigits Locale CustomCode Amount Payee "
    "RateLimits ChannelConfiguration AppHash TemplateSid TemplateCustomSubstitutions DeviceIp "
    "EnableSnaClientToken RiskCheck Tags"
)

# Method, path, parameters, status, keys of the answer, key of the list.
_ROWS = (
    ("GET", "Attempts", ATTEMPT_FILTERS + " " + PAGES, 200, ATTEMPT, "attempts"),
    ("GET", "Attempts/Summary", SUMMARY_FILTERS, 200, SUMMARY, ""),
    ("GET", "Attempts/{Sid}", "", 200, ATTEMPT, ""),
    ("GET", "Forms/{FormType}", "", 200, FORM, ""),
    ("POST", "SafeList/Numbers", "PhoneNumber", 201, SAFE_LIST_NUMBER, ""),
    ("GET", "SafeList/Numbers/{PhoneNumber}", "", 200, SAFE_LIST_NUMBER, ""),
    ("DELETE", "SafeList/Numbers/{PhoneNumber}", "", 204, "", ""),
    ("POST", "Services", SERVICE_PARAMETERS, 201, SERVICE, ""),
    ("GET", "Services", PAGES, 200, SERVICE, "services"),
    (
        "POST",
        "Services/{ServiceSid}/AccessTokens",
        "Identity FactorType FactorFriendlyName Ttl",
        201,
        ACCESS_TOKEN,
        "",
    ),
    ("GET", "Services/{ServiceSid}/AccessTokens/{Sid}", "", 200, ACCESS_TOKEN, ""),
    ("POST", "Services/{ServiceSid}/Entities", "Identity", 201, ENTITY, ""),
    ("GET", "Services/{ServiceSid}/Entities", PAGES, 200, ENTITY, "entities"),
    ("GET", "Services/{ServiceSid}/Entities/{Identity}", "", 200, ENTITY, ""),
    ("DELETE", "Services/{ServiceSid}/Entities/{Identity}", "", 204, "", ""),
    (
        "POST",
        "Services/{ServiceSid}/Entities/{Identity}/Challenges",
        CHALLENGE_PARAMETERS,
        201,
        CHALLENGE,
        "",
    ),
    (
        "GET",
        "Services/{ServiceSid}/Entities/{Identity}/Challenges",
        "FactorSid Status Order" + " " + PAGES,
        200,
        CHALLENGE,
        "challenges",
    ),
    (
        "POST",
        "Services/{ServiceSid}/Entities/{Identity}/Challenges/{ChallengeSid}/Notifications",
        "Ttl",
        201,
        NOTIFICATION,
        "",
    ),
    (
        "POST",
        "Services/{ServiceSid}/Entities/{Identity}/Challenges/{Sid}",
        "AuthPayload Metadata",
        200,
        CHALLENGE,
        "",
    ),
    ("GET", "Services/{ServiceSid}/Entities/{Identity}/Challenges/{Sid}", "", 200, CHALLENGE, ""),
    (
        "POST",
        "Services/{ServiceSid}/Entities/{Identity}/Factors",
        NEW_FACTOR_PARAMETERS,
        201,
        NEW_FACTOR,
        "",
    ),
    ("GET", "Services/{ServiceSid}/Entities/{Identity}/Factors", PAGES, 200, FACTOR, "factors"),
    (
        "POST",
        "Services/{ServiceSid}/Entities/{Identity}/Factors/{Sid}",
        FACTOR_CHANGES,
        200,
        FACTOR,
        "",
    ),
    ("GET", "Services/{ServiceSid}/Entities/{Identity}/Factors/{Sid}", "", 200, FACTOR, ""),
    ("DELETE", "Services/{ServiceSid}/Entities/{Identity}/Factors/{Sid}", "", 204, "", ""),
    (
        "POST",
        "Services/{ServiceSid}/MessagingConfigurations",
        "Country MessagingServiceSid",
        201,
        MESSAGING_CONFIGURATION,
        "",
    ),
    (
        "GET",
        "Services/{ServiceSid}/MessagingConfigurations",
        PAGES,
        200,
        MESSAGING_CONFIGURATION,
        "messaging_configurations",
    ),
    (
        "POST",
        "Services/{ServiceSid}/MessagingConfigurations/{Country}",
        "MessagingServiceSid",
        200,
        MESSAGING_CONFIGURATION,
        "",
    ),
    (
        "GET",
        "Services/{ServiceSid}/MessagingConfigurations/{Country}",
        "",
        200,
        MESSAGING_CONFIGURATION,
        "",
    ),
    ("DELETE", "Services/{ServiceSid}/MessagingConfigurations/{Country}", "", 204, "", ""),
    (
        "POST",
        "Services/{ServiceSid}/Passkeys/ApproveChallenge",
        "id rawId authenticatorAttachment type response",
        200,
        PASSKEY_CHALLENGE,
        "",
    ),
    (
        "POST",
        "Services/{ServiceSid}/Passkeys/Challenges",
        "identity factor_sid",
        201,
        PASSKEY_CHALLENGE,
        "",
    ),
    (
        "POST",
        "Services/{ServiceSid}/Passkeys/Factors",
        "friendly_name identity config",
        201,
        NEW_FACTOR,
        "",
    ),
    (
        "POST",
        "Services/{ServiceSid}/Passkeys/VerifyFactor",
        "id rawId authenticatorAttachment type response",
        200,
        FACTOR,
        "",
    ),
    ("POST", "Services/{ServiceSid}/RateLimits", "UniqueName Description", 201, RATE_LIMIT, ""),
    ("GET", "Services/{ServiceSid}/RateLimits", PAGES, 200, RATE_LIMIT, "rate_limits"),
    (
        "POST",
        "Services/{ServiceSid}/RateLimits/{RateLimitSid}/Buckets",
        "Max Interval",
        201,
        BUCKET,
        "",
    ),
    (
        "GET",
        "Services/{ServiceSid}/RateLimits/{RateLimitSid}/Buckets",
        PAGES,
        200,
        BUCKET,
        "buckets",
    ),
    (
        "POST",
        "Services/{ServiceSid}/RateLimits/{RateLimitSid}/Buckets/{Sid}",
        "Max Interval",
        200,
        BUCKET,
        "",
    ),
    ("GET", "Services/{ServiceSid}/RateLimits/{RateLimitSid}/Buckets/{Sid}", "", 200, BUCKET, ""),
    ("DELETE", "Services/{ServiceSid}/RateLimits/{RateLimitSid}/Buckets/{Sid}", "", 204, "", ""),
    ("POST", "Services/{ServiceSid}/RateLimits/{Sid}", "Description", 200, RATE_LIMIT, ""),
    ("GET", "Services/{ServiceSid}/RateLimits/{Sid}", "", 200, RATE_LIMIT, ""),
    ("DELETE", "Services/{ServiceSid}/RateLimits/{Sid}", "", 204, "", ""),
    (
        "POST",
        "Services/{ServiceSid}/VerificationCheck",
        "Code To VerificationSid Amount Payee SnaClientToken",
        200,
        CHECK,
        "",
    ),
    ("POST", "Services/{ServiceSid}/Verifications", VERIFICATION_PARAMETERS, 201, VERIFICATION, ""),
    ("POST", "Services/{ServiceSid}/Verifications/{Sid}", "Status", 200, VERIFICATION, ""),
    ("GET", "Services/{ServiceSid}/Verifications/{Sid}", "", 200, VERIFICATION, ""),
    (
        "POST",
        "Services/{ServiceSid}/Webhooks",
        "FriendlyName EventTypes WebhookUrl Status Version",
        201,
        WEBHOOK,
        "",
    ),
    ("GET", "Services/{ServiceSid}/Webhooks", PAGES, 200, WEBHOOK, "webhooks"),
    (
        "POST",
        "Services/{ServiceSid}/Webhooks/{Sid}",
        "FriendlyName EventTypes WebhookUrl Status Version",
        200,
        WEBHOOK,
        "",
    ),
    ("GET", "Services/{ServiceSid}/Webhooks/{Sid}", "", 200, WEBHOOK, ""),
    ("DELETE", "Services/{ServiceSid}/Webhooks/{Sid}", "", 204, "", ""),
    ("POST", "Services/{Sid}", SERVICE_PARAMETERS, 200, SERVICE, ""),
    ("GET", "Services/{Sid}", "", 200, SERVICE, ""),
    ("DELETE", "Services/{Sid}", "", 204, "", ""),
    ("GET", "Templates", "FriendlyName" + " " + PAGES, 200, TEMPLATE, "templates"),
)

OPERATIONS = tuple(
    Operation(method, path, frozenset(parameters.split()), status, frozenset(answer.split()), key)
    for method, path, parameters, status, answer, key in _ROWS
)
