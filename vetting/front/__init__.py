"""What stands between a socket and the applications: how much and how slowly anybody may send (channel.py), how many
may be answered at once (threads.py), how often anybody may try to log in (logins.py), and what is answered when the
database fails (trouble.py)."""
