"""The SAN of a simulated rack: its targets and its data, by HTTP (`engine/racks/simulated/san_side.py`)."""

import json
import urllib.error
import urllib.request

from san_model import Export, SanError, Unit

WAIT_S = 20


class Rack:
    """Data and targets of one simulated SAN. Every method raises SanError."""

    def __init__(self, address):
        self._address = address

    def have(self, prefix):
        out = {}
        for name, one in self._call("GET", "/targets").items():
            if name.startswith(prefix):
                units = {int(number): Unit(f"rack/{serial}", serial) for number, serial in one["units"].items()}
                out[name] = Export(name, one["initiator"], one["user"], units)
        return out

    def expose(self, export):
        units = {str(number): unit.serial for number, unit in export.units.items()}
        told = {"initiator": export.initiator, "user": export.user, "secret": export.secret, "units": units}
        self._call("PUT", f"/targets/{export.target}", told)

    def unexpose(self, target):
        self._call("DELETE", f"/targets/{target}")

    def add(self, target, number, unit):
        self._call("PUT", f"/targets/{target}/{number}", unit.serial)

    def take(self, target, number):
        self._call("DELETE", f"/targets/{target}/{number}")

    def path(self, lun):
        return f"rack/{lun.serial}"

    def has(self, lun):
        return self._call("GET", "/luns").get(lun.serial) == lun.size

    def make(self, lun):
        self._call("PUT", f"/luns/{lun.serial}", lun.size)

    def remove(self, lun):
        self._call("DELETE", f"/luns/{lun.serial}")

    def _call(self, verb, path, body=None):
        data = json.dumps(body).encode() if body is not None else None
        asked = urllib.request.Request(f"http://{self._address}{path}", data=data, method=verb)
        try:
            with urllib.request.urlopen(asked, timeout=WAIT_S) as answer:
                return json.loads(answer.read(1 << 22) or b"null")
        except urllib.error.HTTPError as error:
            if verb == "DELETE" and error.code == 404:  # an earlier run got that far
                return None
            raise SanError(f"the SAN refused {verb} {path}: {error.code}") from None
        except (OSError, ValueError) as error:
            raise SanError(f"the SAN at {self._address} does not answer: {error}") from None
