from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("hosts", "0006_hosts_product")]

    operations = [
        migrations.AddField(
            model_name="host",
            name="tags",
            field=models.CharField(
                blank=True,
                default="",
                help_text="Words with spaces between them, such as rack3 prod: filters of the list, and routes of messages.",
                max_length=660,
            ),
        ),
    ]
