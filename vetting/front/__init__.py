"""The code between a socket and the applications: bounds on the size and duration of requests (channel.py), the threads
for requests (threads.py), the rate of logins (logins.py), answers when the database fails (trouble.py), and the end of
event streams (stopping.py)."""
