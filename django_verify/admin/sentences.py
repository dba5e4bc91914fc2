"""What each list is for, in one sentence, and what would stand in it while it is empty.

By the name of the model; the admin class of a model may say it itself.
"""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

#: What the rows do.
EXPLANATIONS: dict[str, Any] = {
    "Verification": _(
        "Each is one person being verified: open it to read what happened, and why a code did not"
        " arrive."
    ),
    "VerificationAttempt": _(
        "Each is one message with a code: by which sender it went, and what became of it."
    ),
    "VerifyService": _(
        "A service is what your app verifies people for: its codes, channels, texts and limits. A"
        " change holds for codes that are asked for from then on."
    ),
    "Template": _(
        "A template is the text of a message. It does nothing until a service or a caller names it."
    ),
    "MessagingService": _(
        "A route is a list of senders, in order. It does nothing until a service names it for a"
        " country, under “SMS by country” on the service's page."
    ),
    "TestNumber": _(
        "A recipient with a fixed code of yours, for reviewers and tests: nothing is sent to it,"
        " and its approval proves nothing."
    ),
    "PushCredential": _(
        "What signs push notifications to Apple's and Google's phones. A service uses the one that"
        " it names."
    ),
    "RateLimit": _(
        "How often one caller may ask. A limit does nothing until your developers name it when they"
        " start a verification."
    ),
    "VerifiedPhone": _(
        "Which of your users has which number. Releasing one takes it from its user, who has to"
        " verify it again."
    ),
    "Entity": _("A person with devices of their own, as your developers name them."),
    "Factor": _(
        "A device or an app that a person proves themselves by. Deleting one signs it out for good."
    ),
    "Challenge": _("One question to a device, and its answer."),
    "DeviceKey": _(
        "Keys of installed apps whose maker has vouched for them. Deleting one makes the app ask"
        " for another."
    ),
    "Account": _(
        "A caller of the API, with a user name and a secret. Switching one off refuses its calls"
        " at once."
    ),
    "ApiKey": _("A further secret of an account, which can be revoked without the others."),
    "Webhook": _("Where events of devices are sent: factors that are made, challenges answered."),
    "EventSink": _("Where events of verifications are sent: started, delivered, approved."),
    "WebhookDelivery": _(
        "What was sent to your webhooks and event sinks, or could not be. Replay what was given up."
    ),
}

#: What would stand there, and how the first row is made.
EMPTY: dict[str, Any] = {
    "Verification": _(
        "No verification was found. The first one stands here once your app asks for a code, or you"
        " send a test message from a service's page."
    ),
    "VerificationAttempt": _(
        "No message was found. The first one stands here once a code was asked for."
    ),
    "GuardDecision": _("Nothing was blocked. What the guard refuses, or would, stands here."),
    "VerifyService": _("There is no service yet. Add one: your developers need its SID."),
    "Template": _("There is no template. Every message has its default text, in its language."),
    "MessagingService": _(
        "There is no route. Every message takes the senders of its service, or the site's."
    ),
    "TestNumber": _(
        "There is no test number. Add one with a fixed code, for reviewers of your app."
    ),
    "PushCredential": _("There is no push credential. Add one before you send pushes."),
    "GeoPermission": _(
        "No country has a row: codes are sent to every country. Add those to block."
    ),
    "PrefixRule": _("There is no rule. Add one to block a range of numbers, or to allow it."),
    "GuardTrip": _("Nothing is closed. What the guard closes on its evidence stands here."),
    "SafeListNumber": _("No number is safe-listed. Add those that must never be blocked."),
    "RateLimit": _("There is no limit. Add one, and give its name to your developers."),
    "SpendCap": _("There is no cap: nothing bounds what may be spent. Add one for a day or month."),
    "Price": _(
        "There are no prices: every message counts as the site's setting MESSAGE_PRICE says. Add or"
        " import them."
    ),
    "Currency": _("All prices are in the site's own currency. Add what another one is worth."),
    "VerifiedPhone": _("No user has a number yet. One stands here once a user verifies it."),
    "Entity": _("No person has a device yet. Your app makes them, over the API."),
    "Factor": _("No device is enrolled yet. Your app enrols them, over the API."),
    "Challenge": _("No device was asked anything yet."),
    "DeviceKey": _("No app was vouched for yet. Keys stand here where a gate verifies apps."),
    "Account": _("There is no account. Add one: its user name and secret are for your developers."),
    "ApiKey": _("There is no further key. Each account has a secret of its own."),
    "Webhook": _("There is no webhook. Add one with the URL that events are sent to."),
    "EventSink": _("There is no event sink. Add one with the URL that events are sent to."),
    "WebhookDelivery": _("No event was sent. They stand here once there is a webhook or a sink."),
}
