"""What is done with a host's power: one verb, or the verbs that wake it, by the host's driver."""

from __future__ import annotations

from hosts.models import Host
from hosts.wakemethods import STOPPING, Verb
from pxe.wake.drivers import DRIVERS
from pxe.wake.shape import Driver, Machine, NotMeant, Stop, WakeProblem, options_of


def wake(host: Host, *, restart: Stop | None = None) -> str:
    """Boot this host from the network now, as far as its driver can. Returns what was done.

    A host that is on is left alone, since guests may run on it, unless `restart` allows to stop it. Raises WakeProblem.
    """
    driver, verbs = _driver(host), host.power_verbs
    with _machine(host, driver) as machine:
        turn_on = Verb.ON
        if Verb.STATUS in verbs and machine.status():
            turn_on = _restarting(machine, verbs, restart)
        done = [_do(machine, Verb.BOOT_NETWORK)] if Verb.BOOT_NETWORK in verbs else []
        return _told(machine, driver, *done, _do(machine, turn_on, restart))


def act(host: Host, verb: Verb, stop: Stop) -> str:
    """Do one thing with the power of this host; `stop` says of a verb that stops it whether it may be. Returns what was
    done, or for STATUS what was read. Raises WakeProblem."""
    driver, verbs = _driver(host), host.power_verbs
    if verb not in verbs:
        can = ", ".join(verbs) or "nothing"
        title = driver.METHOD.title
        raise WakeProblem(f"{host.name}: {title} has no {verb!s}, only {can}: choose another way to wake on its form")
    with _machine(host, driver) as machine:
        if verb is Verb.STATUS:
            return _told(machine, driver, {True: "on", False: "off", None: "not known"}[machine.status()])
        return _told(machine, driver, _do(machine, verb, stop))


def is_on(host: Host) -> bool | None:
    """Whether the host is on, as its driver reads it; None where it can't. Raises WakeProblem."""
    if Verb.STATUS not in host.power_verbs:
        return None
    with _machine(host, _driver(host)) as machine:
        return machine.status()


def cycle_to_network(host: Host, stop: Stop) -> str:
    """Power-cycle the host and have it boot from the network. Returns what was done. Raises WakeProblem."""
    driver, verbs = _driver(host), host.power_verbs
    with _machine(host, driver) as machine:
        machine.ready()
        if why := stop.why_not():  # before its next boot is changed
            raise NotMeant(why)
        done = [_do(machine, Verb.BOOT_NETWORK)] if Verb.BOOT_NETWORK in verbs else []
        return _told(machine, driver, *done, _do(machine, Verb.CYCLE, stop))


def _driver(host: Host) -> Driver:
    driver = DRIVERS.get(host.wake_method)
    if driver is None:
        known = ", ".join(DRIVERS)
        raise WakeProblem(
            f"{host.name}: there is no wake driver {host.wake_method!r}: choose one of {known} on the host's form"
        )
    return driver


def _machine(host: Host, driver: Driver) -> Machine:
    return driver.Machine(host, options_of(host, driver.METHOD.options))


def _restarting(machine: Machine, verbs: tuple[Verb, ...], restart: Stop | None) -> Verb:
    again = next((verb for verb in (Verb.CYCLE, Verb.RESET) if verb in verbs), None)
    way = "restart it yourself"
    if again and restart is None:
        way += ", or allow the run to restart it"
    elif again and restart and not (way := restart.why_not()):
        return again
    raise WakeProblem(f"{machine.who} says that it is on already; nothing was sent: {way}")


def _do(machine: Machine, verb: Verb, stop: Stop | None = None) -> str:
    if verb in STOPPING:
        _refuse_unless_meant(machine, stop)
    match verb:
        case Verb.ON:
            return machine.on()
        case Verb.OFF:
            return machine.off()
        case Verb.CYCLE:
            return machine.cycle()
        case Verb.RESET:
            return machine.reset()
        case Verb.BOOT_NETWORK:
            return machine.boot_network()
    raise ValueError(f"{verb} does nothing")


def _refuse_unless_meant(machine: Machine, stop: Stop | None) -> None:
    assert stop is not None, "nothing is stopped without being asked for"
    machine.ready()
    if why := stop.why_not():
        raise NotMeant(why)
    if not stop.begin():
        raise NotMeant("this was begun before, by a worker that was ended meanwhile: look at the host")


def _told(machine: Machine, driver: Driver, *done: str) -> str:
    said = ", ".join(done)
    return f"{machine.at}: {said} ({driver.METHOD.title})" if machine.at else said
