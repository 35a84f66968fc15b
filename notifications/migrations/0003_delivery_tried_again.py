from django.db import migrations, models


class Migration(migrations.Migration):
    """Messages to programs are tried again; an operator may send any message again."""

    dependencies = [("notifications", "0002_notice_without_taken_at")]

    operations = [
        migrations.AlterModelOptions(
            name="delivery",
            options={
                "ordering": ("id",),
                "permissions": [("send_delivery", "Can send a message again")],
                "verbose_name_plural": "deliveries",
            },
        ),
        migrations.AddField(
            model_name="delivery", name="tries", field=models.PositiveSmallIntegerField(default=0)
        ),
        migrations.AddField(
            model_name="delivery", name="due_at", field=models.DateTimeField(blank=True, null=True)
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("due_at__isnull", False)), fields=["due_at"], name="notifications_due"
            ),
        ),
    ]
