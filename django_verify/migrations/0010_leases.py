"""Deliveries and their receivers are leased by the same columns as other rows."""

import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [('django_verify', '0009_heartbeats')]

    operations = [
        migrations.RemoveField('webhookdelivery', 'lease_until'),
        *(
            operation
            for model in ('webhook', 'eventsink')
            for operation in (
                migrations.RenameField(model, 'turn', 'lease'),
                migrations.RemoveField(model, 'turn_until'),
                migrations.AddField(model, 'due_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            )
        ),
    ]
