"""Django settings. The only reader of the environment; everything an operator tunes is in vetting.yaml (config.py)."""

from __future__ import annotations

import os
import re
import secrets
import socket
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

from hosts.wakemethods import SECRET_PREFIX
from vetting import config
from vetting.configfile import ConfigFile

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()
if (BASE_DIR / ".env").is_file():
    environ.Env.read_env(BASE_DIR / ".env")

DATA_DIR = Path(env.str("VETTING_DATA_DIR", default=str(BASE_DIR / "var"))).resolve()
DATA_DIR.mkdir(parents=True, exist_ok=True, mode=0o750)
DEBUG = env.bool("VETTING_DEBUG", default=False)
TESTING = env.bool("VETTING_TESTING", default=False)
# Set by the units and by /usr/local/bin/vetting: messages then name `vetting` and units, not `./manage.py` and `make`.
INSTALLED = env.bool("VETTING_INSTALLED", default=False)


def _secret_key() -> str:
    """The secret key from the environment, else from a file beside the data, which is made once and readable by us
    alone."""
    given: str = env.str("VETTING_SECRET_KEY", default="")
    if given:
        return given
    path = DATA_DIR / "secret_key"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(50))
    return path.read_text().strip()


SECRET_KEY = _secret_key()
if len(SECRET_KEY) < 32:
    raise ImproperlyConfigured(
        "VETTING_SECRET_KEY is shorter than 32 characters: python3 -c 'import secrets; "
        "print(secrets.token_urlsafe(50))' makes one"
    )
ALLOWED_HOSTS = env.list("VETTING_ALLOWED_HOSTS", default=["*"])

_config_path = env.str("VETTING_CONFIG", default="")
try:
    CONFIGURATION = ConfigFile(Path(_config_path) if _config_path else None)
except config.ConfigError as error:
    raise ImproperlyConfigured(str(error)) from None
VETTING = CONFIGURATION.config

# Environment variable → its value, for the variables that notification targets name.
TARGET_SECRETS = {
    variable: env.str(variable, default="") for target in VETTING.notifications.targets for variable in target.secrets
}


def _secret(variable: str, file: Path | None) -> tuple[str, str]:
    """A secret that stands in a variable or in a file, and why there is none."""
    if variable:
        secret = env.str(variable, default="")
        return secret, "" if secret else f"the environment has no {variable}"
    if file:
        try:
            secret = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            return "", f"{file} can't be read ({type(error).__name__})"
        return secret, "" if secret else f"{file} is empty"
    return "", ""


OIDC_SECRET, OIDC_SECRET_PROBLEM = _secret(VETTING.login.oidc.client_secret_env, VETTING.login.oidc.client_secret_file)
NETBOX_TOKEN, NETBOX_TOKEN_PROBLEM = _secret(VETTING.netbox.token_env, VETTING.netbox.token_file)

# Who asks for /metrics sends this. Empty: nobody may.
METRICS_TOKEN = env.str("VETTING_METRICS_TOKEN", default="")

# BMC passwords: a host's wake options name one of these variables (`password_env`), and no other.
BMC_PASSWORDS = {name: value for name, value in env.ENVIRON.items() if name.startswith(SECRET_PREFIX)}

IMAGE_DIR = VETTING.boot_files.image_dir or DATA_DIR / "image"
# The name of this machine, where several share a database. No two may have the same.
MACHINE = env.str("VETTING_MACHINE", default=socket.gethostname())
if not re.fullmatch(r"[\w.-]{1,64}", MACHINE):
    raise ImproperlyConfigured(f"VETTING_MACHINE is {MACHINE!r}: 1 to 64 letters, digits, dots, - and _ are allowed")
# The files of runs. Several machines need the same ones.
_runs_dir = env.str("VETTING_RUNS_DIR", default="")
RUNS_ARE_SHARED = bool(_runs_dir)
RUNS_DIR = Path(_runs_dir).resolve() if _runs_dir else DATA_DIR / "runs"
PXE_DIR = DATA_DIR / "pxe"
PID_DIR = DATA_DIR / "run"
# Set by vetworker in the cluster that it starts: a round ends when this process is gone.
WORKER_PARENT_PID = 0

INSTALLED_APPS = [
    "hosts",
    "runs",
    "runs.desk",
    "runs.inventory",
    "runs.reports",
    "agentapi",
    "restapi",
    "pxe",
    "notifications",
    "vetting",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "servestatic.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_htmx",
    "django_q",
    "import_export",
    "axes",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "servestatic.middleware.ServeStaticMiddleware",
    "vetting.middleware.content_security_policy",
    "restapi.middleware.one_shape",
    "vetting.middleware.only_readable",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "vetting.middleware.nothing_unseen",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "vetting.middleware.only_permitted_actions",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",
    "vetting.front.trouble.middleware",
]

ROOT_URLCONF = "vetting.urls"
ASGI_APPLICATION = "vetting.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "vetting" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# Requests of people run in this many permanent threads (vetting/front/routing.py), each with its own database
# connection. 0: Django's default, two new threads and a new connection for every request, at half the speed.
WEB_THREADS = env.int("VETTING_WEB_THREADS", default=4)


def _is_new(database: str) -> bool:
    """Whether SQLite has still to make this file."""
    path = Path(database)
    return not path.exists() or path.stat().st_size == 0


DATABASES = {"default": env.db("DATABASE_URL", default=f"sqlite:///{DATA_DIR / 'vetting.sqlite3'}")}
DATABASES["default"]["CONN_MAX_AGE"] = None if WEB_THREADS else 0
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # IMMEDIATE: a transaction that reads first and writes later can't fail with "database is locked". FULL: with NORMAL
    # a loss of power undoes commits that were already acknowledged, and an agent never sends those again.
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        # auto_vacuum comes first, since it holds for new files only: runs/database/compact.py needs it. In any other
        # file it would be a write for each connection.
        "init_command": ("PRAGMA auto_vacuum=INCREMENTAL;" if _is_new(DATABASES["default"]["NAME"]) else "")
        + "PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL;"
        "PRAGMA temp_store=MEMORY;"
        "PRAGMA mmap_size=134217728;PRAGMA journal_size_limit=27103364;PRAGMA cache_size=-20000;",
    }
    # In-memory databases can't be shared by processes, and the live tailer reads its own connection.
    DATABASES["default"]["TEST"] = {"NAME": str(DATA_DIR / f"test-{os.getpid()}.sqlite3")}
elif DATABASES["default"]["ENGINE"] == "django.db.backends.postgresql":
    # A server that is cut off from the network says nothing: without these a connection waits for it for a quarter of
    # an hour. In the address they can be set otherwise (?connect_timeout=…).
    DATABASES["default"]["OPTIONS"] = {
        "connect_timeout": 5,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": 10_000,  # ms
        **DATABASES["default"].get("OPTIONS", {}),
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

Q_CLUSTER: dict[str, Any] = {
    "name": "vetting",
    "orm": "default",
    "broker_class": "vetting.taskqueue.Queue",
    # One is left for the round, one may be busy with a report or the janitor's sweep, two wait for BMCs and for where
    # messages go (runs/jobs.py).
    "workers": 4,
    "timeout": 90,
    "retry": 120,
    "max_attempts": 1,
    "ack_failures": True,
    "poll": 0.2,
    # How often it is looked whether a process has ended, in seconds.
    "guard_cycle": 1.0,
    "bulk": 1,
    "queue_limit": 8,
    "catch_up": False,
    "save_limit": 250,
    "recycle": 500,
    "label": "Worker queue",
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.postgresql":
    # Each machine has a queue of its own: its rounds are about its own dnsmasq and iperf3.
    Q_CLUSTER["cluster_name"] = f"vetting {MACHINE}"

AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_LOCKOUT_TEMPLATE = "axes_locked_out.html"
AXES_RESET_ON_SUCCESS = True
AXES_VERBOSE = False  # otherwise axes prints a line at the start of every command
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.BCryptSHA256PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "dashboard"
LOGOUT_REDIRECT_URL = "login"
SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
# 12 hours: the session is in the cookie alone, so that logging out can't end a copy of it. Its age does.
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = VETTING.web.tls
CSRF_TRUSTED_ORIGINS = [VETTING.web.public_url.rstrip("/")] if VETTING.web.public_url else []
X_FRAME_OPTIONS = "DENY"
AGENT_TOKEN_BCRYPT_ROUNDS = 4 if TESTING else 10
AGENT_BODY_LIMIT_BYTES = 2 * 1024 * 1024


LANGUAGE_CODE = "en-us"
TIME_ZONE = env.str("VETTING_TIME_ZONE", default="UTC")
USE_I18N = False
USE_TZ = True
FORMAT_MODULE_PATH = "vetting.formats"
STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
SERVESTATIC_USE_FINDERS = True
SERVESTATIC_AUTOREFRESH = DEBUG

LOG_FORMAT = env.str("VETTING_LOG_FORMAT", default="line")
if LOG_FORMAT not in ("line", "json"):
    raise ImproperlyConfigured(f"VETTING_LOG_FORMAT is {LOG_FORMAT!r}: line or json")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "class": "vetting.loglines.Formatter",
            "format": "{asctime} {levelname} {name} {message}",
            "style": "{",
        },
        "json": {"class": "vetting.loglines.JsonFormatter"},
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT}},
    "root": {"handlers": ["console"], "level": env.str("VETTING_LOG_LEVEL", default="INFO")},
    "loggers": {
        "django-q": {"level": "WARNING"},
        "apprise": {"level": "CRITICAL"},  # its lines may have addresses
        "authlib": {"level": "INFO"},  # DEBUG has the code_verifier of each login
    },
}
