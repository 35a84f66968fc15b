from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("runs", "0007_bench_shortage")]

    operations = [
        migrations.AddField(
            model_name="stagerun",
            name="link_until",
            field=models.DateTimeField(blank=True, help_text="Until when the bench's link is lent to it.", null=True),
        ),
    ]
