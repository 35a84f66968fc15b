from django.db import migrations, models

from hosts.spec_columns import Product


class Migration(migrations.Migration):
    """The list of hosts is filtered by model, and lists the models, without reading every expected spec."""

    dependencies = [("hosts", "0005_hosts_listed")]

    operations = [
        migrations.AddIndex(
            model_name="host",
            index=models.Index(Product("expected"), name="hosts_product"),
        ),
    ]
