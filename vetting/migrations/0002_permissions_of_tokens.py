from django.db import migrations


class Migration(migrations.Migration):
    # The roles name the permissions of API tokens, which must exist when they are given.
    dependencies = [
        ("restapi", "0001_initial"),
        ("vetting", "0001_given_permissions"),
    ]

    operations = []
