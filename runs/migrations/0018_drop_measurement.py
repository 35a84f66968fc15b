from django.db import migrations


class Migration(migrations.Migration):
    """The rows are in batches by now."""

    dependencies = [("runs", "0017_move_measurements")]
    operations = [migrations.DeleteModel("Measurement")]
