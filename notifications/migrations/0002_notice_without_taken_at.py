from django.db import migrations


class Migration(migrations.Migration):
    """Nothing read it."""

    dependencies = [("notifications", "0001_initial")]

    operations = [migrations.RemoveField(model_name="notice", name="taken_at")]
