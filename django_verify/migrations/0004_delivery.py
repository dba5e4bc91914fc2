"""The attempt row as a queue, and the state of each sender's circuit breaker."""

import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("django_verify", "0003_factors")]

    operations = [
        migrations.CreateModel(
            name='SenderState',
            fields=[
                ('alias', models.CharField(editable=False, max_length=64, primary_key=True, serialize=False, verbose_name='sender')),
                ('failures', models.PositiveIntegerField(default=0, verbose_name='failures in a row')),
                ('failing_since', models.DateTimeField(blank=True, null=True, verbose_name='failing since')),
                ('open_until', models.DateTimeField(blank=True, null=True, verbose_name='passed over until')),
                ('last_error', models.CharField(blank=True, max_length=255, verbose_name='last error')),
                ('failures_total', models.PositiveIntegerField(default=0, verbose_name='failures in all')),
                ('openings', models.PositiveIntegerField(default=0, verbose_name='times passed over')),
                ('date_updated', models.DateTimeField(default=django.utils.timezone.now, verbose_name='updated')),
            ],
            options={
                'verbose_name': 'sender state',
                'verbose_name_plural': 'sender states',
                'ordering': ['alias'],
                'permissions': [('close_breaker', 'Can put a failing sender back in its place')],
            },
        ),
        migrations.AlterModelOptions(
            name='verificationattempt',
            options={'ordering': ['-date_created', '-sid'], 'permissions': [('requeue_attempt', 'Can send failed messages again')], 'verbose_name': 'verification attempt', 'verbose_name_plural': 'verification attempts'},
        ),
        migrations.RemoveIndex(model_name='verificationattempt', name='verify_attempt_due'),
        # A row on its way keeps its time: the end of a lease is when the next worker looks at it.
        migrations.RenameField('verificationattempt', 'lease_until', 'due_at'),
        migrations.AlterField(
            model_name='verificationattempt',
            name='due_at',
            field=models.DateTimeField(blank=True, null=True, verbose_name='due'),
        ),
        migrations.AddField(
            model_name='verificationattempt',
            name='messages',
            field=models.PositiveSmallIntegerField(default=0, verbose_name='messages'),
        ),
        migrations.AddField(
            model_name='verificationattempt',
            name='trail',
            field=models.JSONField(blank=True, default=list, verbose_name='earlier messages'),
        ),
        migrations.AddField(
            model_name='verificationattempt',
            name='via_channel',
            field=models.CharField(blank=True, max_length=16, verbose_name='sent as'),
        ),
        migrations.AlterField(
            model_name='verificationattempt',
            name='message_status',
            field=models.CharField(choices=[('queued', 'queued'), ('sending', 'sending'), ('sent', 'sent'), ('delivered', 'delivered'), ('read', 'read'), ('undelivered', 'undelivered'), ('failed', 'failed')], default='queued', max_length=16, verbose_name='message status'),
        ),
        migrations.AddIndex(
            model_name='verificationattempt',
            index=models.Index(fields=['due_at'], name='verify_attempt_next'),
        ),
        migrations.AddIndex(
            model_name='verificationattempt',
            index=models.Index(fields=['sender', 'provider_sid'], name='verify_attempt_provider'),
        ),
    ]
