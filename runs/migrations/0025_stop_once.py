from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('runs', '0024_power_requests'),
    ]

    operations = [
        migrations.AddField(
            model_name='powerrequest',
            name='begun_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='wakerequest',
            name='restart_allowed_at',
            field=models.DateTimeField(blank=True, help_text='When somebody last allowed to restart a host that is on; else: at the start.', null=True),
        ),
        migrations.AddField(
            model_name='wakerequest',
            name='restarted_at',
            field=models.DateTimeField(blank=True, help_text='Right before a host that was on was restarted: it is done once.', null=True),
        ),
    ]
