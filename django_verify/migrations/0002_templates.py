"""The ready-made templates, which every account may use."""

from django.db import migrations

# SID → friendly name, channels, locale → text; the first locale is the default.
READY_MADE = {
    "HJ00000000000000000000000000000001": (
        "Code with validity",
        ["sms", "voice"],
        {
            "en": "Your {{friendly_name}} code is {{code}}. It is valid for {{ttl}} minutes.",
            "de": "Ihr Code für {{friendly_name}} lautet {{code}}. Er gilt {{ttl}} Minuten.",
            "es": "Tu código de {{friendly_name}} es {{code}}. Es válido durante {{ttl}} minutos.",
            "fr": "Votre code {{friendly_name}} est {{code}}. Il est valable {{ttl}} minutes.",
            "it": "Il tuo codice {{friendly_name}} è {{code}}. Vale {{ttl}} minuti.",
            "nl": "Je code voor {{friendly_name}} is {{code}}. Hij is {{ttl}} minuten geldig.",
            "pl": "Twój kod {{friendly_name}} to {{code}}. Jest ważny {{ttl}} min.",
            "pt": "O seu código {{friendly_name}} é {{code}}. É válido durante {{ttl}} minutos.",
        },
    ),
    "HJ00000000000000000000000000000002": (
        "Code, never share it",
        ["sms"],
        {
            "en": "{{code}} is your {{friendly_name}} code. Never share it, not even with our staff.",
            "de": "{{code}} ist Ihr Code für {{friendly_name}}. Geben Sie ihn nie weiter, auch nicht an unsere Mitarbeiter.",
            "es": "{{code}} es tu código de {{friendly_name}}. No lo compartas nunca, tampoco con nuestro personal.",
            "fr": "{{code}} est votre code {{friendly_name}}. Ne le donnez jamais, même à notre personnel.",
            "it": "{{code}} è il tuo codice {{friendly_name}}. Non darlo mai a nessuno, nemmeno al nostro personale.",
            "pt": "{{code}} é o seu código {{friendly_name}}. Nunca o partilhe, nem com a nossa equipa.",
        },
    ),
    "HJ00000000000000000000000000000003": (
        "Sign-in code",
        ["sms"],
        {
            "en": "Use {{code}} to sign in to {{friendly_name}}. If this was not you, ignore this message.",
            "de": "Mit {{code}} melden Sie sich bei {{friendly_name}} an. Falls Sie das nicht waren, ignorieren Sie diese Nachricht.",
            "es": "Usa {{code}} para entrar en {{friendly_name}}. Si no has sido tú, ignora este mensaje.",
            "fr": "Utilisez {{code}} pour vous connecter à {{friendly_name}}. Si ce n'est pas vous, ignorez ce message.",
        },
    ),
    "HJ00000000000000000000000000000004": (
        "Code without a brand",
        ["sms", "voice"],
        {
            "en": "Your verification code is {{code}}.",
            "de": "Ihr Bestätigungscode lautet {{code}}.",
            "es": "Tu código de verificación es {{code}}.",
            "fr": "Votre code de vérification est {{code}}.",
            "ja": "確認コードは {{code}} です。",
            "zh": "您的验证码是 {{code}}。",
        },
    ),
}


def write(apps, schema_editor):
    template_model = apps.get_model("django_verify", "Template")
    translation_model = apps.get_model("django_verify", "TemplateTranslation")
    using = schema_editor.connection.alias
    for sid, (name, channels, texts) in READY_MADE.items():
        template, _ = template_model.objects.using(using).update_or_create(
            sid=sid, defaults={"friendly_name": name, "channels": channels, "account": None}
        )
        for place, (locale, text) in enumerate(texts.items()):
            translation_model.objects.using(using).update_or_create(
                template=template,
                locale=locale,
                defaults={"text": text, "status": "approved", "is_default": place == 0},
            )


def remove(apps, schema_editor):
    rows = apps.get_model("django_verify", "Template").objects
    rows.using(schema_editor.connection.alias).filter(sid__in=READY_MADE).delete()


class Migration(migrations.Migration):
    dependencies = [("django_verify", "0001_initial")]

    operations = [migrations.RunPython(write, remove)]
