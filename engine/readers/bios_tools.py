"""The settings of a BIOS by makers' tools, for machines and BMCs whose Redfish does not offer them: what the tools print and save.

    racadm   `racadm get BIOS.SysProfileSettings`, `racadm get -t ini` (Dell's RACADM CLI guide)
    ilorest  `ilorest get --selector Bios.`, with `--json`, and the file of `ilorest save` (HPE's iLOrest guide)
    sum      `sum -c GetCurrentBiosCfg`, an XML file with menus (Supermicro Update Manager's user guide, appendix)
    syscfg   `syscfg /d BIOSSETTINGS`, and the INI file of `syscfg /s` (Intel's Server Configuration Utility guide)
    conrep   the XML file of `conrep -s` (HPE's Scripting Toolkit)

Rules
* A tool's error is refused with its words. A text without a single setting is refused too: an empty record would look like a machine
  without settings.
* sum has several settings of one name in different menus, so the name is the path: `Advanced|Boot Feature|Quiet Boot`.
* XML with a document type is refused before it is parsed, because entities can grow without a bound.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Literal
from xml.etree import ElementTree

from msgspec import structs

from ..parts import BiosSetting, Firmware, Parts, Product
from .redfish_bios import is_secret, mode_of, name_in, settings_in, value_in
from .redfish_json import MIB, day_of
from .report import MOST_CHARACTERS, MOST_ITEMS, Refused, told

_BANNER = re.compile(
    r"(?i)^(security alert|continuing execution|copyright|ilorest ?:|supermicro update manager"
    r"|(warning|note|discovering|logging)\b|-{3,}|={3,}|\.+$)"
)
_RACADM = re.compile(r"^(#|!!)?([A-Za-z0-9_.\- ]{1,120}?)=(.*)$")
_PENDING = re.compile(r"^(.*?)\s*\(Pending Value=(.*)\)$")
_RACADM_ERROR = re.compile(r"(?i)^\s*ERROR\s*:|\bRAC\d{3,4}\b|invalid subcommand|unable to (connect|login)")
_ERROR = re.compile(r"(?i)error|failed|invalid|unable|no such|not found|unsupported|exit ?code")
_OPTIONS = re.compile(r"\s*;\s*Options:\s*(.*)$")


def lines_of(said: str) -> list[str]:
    """The lines, whatever ends them, without what terminals add. Raises Refused: too long, or empty."""
    if len(said) > MOST_CHARACTERS:
        raise Refused(f"the text has {len(said)} characters, and at most {MOST_CHARACTERS} are read")
    clean = re.sub(r"\x1b\[[0-9;]{0,20}[A-Za-z]", "", said.removeprefix("\ufeff")).replace("\0", "")
    lines = clean.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if not any(line.strip() for line in lines):
        raise Refused("the text is empty")
    return lines


def error_in(lines: list[str], pattern: re.Pattern[str] = _ERROR) -> str:
    """The first line that tells of an error, cut to what a message may hold; empty: none."""
    return next((told(line[:500]) for line in lines if pattern.search(line[:500])), "")


def _made(found: dict[str, object], odd: list[str], what: str) -> Parts:
    settings, more = settings_in(found)
    if not settings:
        raise Refused(f"{what} has no setting with its value")
    return Parts(settings=settings, odd=tuple((odd + list(more))[:50]), boot_mode=mode_of(settings))


# -- racadm --


def looks_racadm(said: str) -> bool:
    return re.search(r"(?m)^\[Key=BIOS\.|^\[BIOS\.Setup\.1-1", said[:20_000]) is not None


def racadm(said: str) -> Parts:
    """`#` before a name: it cannot be set now. The value behind `Pending Value` waits for a job."""
    lines = lines_of(said)
    found: dict[str, BiosSetting] = {}
    inside = True
    for line in lines:
        clean = line.strip()
        if clean.startswith("["):
            inside = "BIOS" in clean.upper()
            continue
        entry = _RACADM.match(clean)
        if not inside or not entry or _BANNER.match(clean):
            continue
        mark, name, value = entry[1], entry[2].strip(), entry[3].strip()
        waiting = _PENDING.match(value)
        now, after = (waiting[1], waiting[2]) if waiting else (value, None)
        if not name_in(name) or not value_in(now)[1] or len(found) >= MOST_ITEMS:
            continue
        if is_secret(name):
            found[name] = BiosSetting(name=name, type="password", readonly=bool(mark))
        else:
            found[name] = BiosSetting(name=name, value=now, pending=after, readonly=bool(mark))
    if not found:
        error = error_in(lines, _RACADM_ERROR)
        raise Refused(f"racadm answered with an error: {error}" if error else "racadm's answer has no setting of the BIOS")
    made = tuple(found.values())
    return Parts(settings=made, boot_mode=mode_of(made))


# -- ilorest --


def looks_ilorest(said: str) -> bool:
    head = said[:4000]
    return re.search(r"(?i)ilorest ?: ?RESTful|\"#?(Hp)?Bios\.", head) is not None and "@odata.id" not in head


def ilorest(said: str) -> Parts:
    """JSON of `--json` or of `save`, or lines of `name=value`."""
    lines = lines_of(said)
    text = "\n".join(lines)
    start = re.search(r"(?m)^[ \t]*[\[{]", text)
    if start:
        try:
            tree = json.loads(text[start.start() :], parse_constant=lambda _: None)
        except (ValueError, RecursionError):
            raise Refused("ilorest's JSON is not valid, or nested too deeply") from None
        return _made(dict(_attributes(tree)), [], "ilorest's answer")
    found: dict[str, object] = {}
    for line in lines:
        name, equals, value = line.strip().partition("=")
        if equals and not _BANNER.match(line.strip()) and re.fullmatch(r"[A-Za-z0-9_.\-/@]{1,120}", name):
            found[name.removeprefix("Attributes/")] = value.strip()
    if not found:
        error = error_in(lines)
        raise Refused(f"ilorest answered with an error: {error}" if error else "ilorest's answer has no setting")
    return _made(found, [], "ilorest's answer")


def _attributes(tree: object) -> Iterator[tuple[str, object]]:
    """Name and value of each setting: those in `Attributes`, wherever it is; without one, the members of the only object."""
    waiting: list[object] = [tree]
    plain: dict[str, object] = tree if isinstance(tree, dict) else {}
    seen = 0
    some = False
    while waiting and seen < 20_000:
        one = waiting.pop()
        seen += 1
        if isinstance(one, list):
            waiting += one[:MOST_ITEMS]
        elif isinstance(one, dict):
            held = one.get("Attributes")
            if isinstance(held, dict):
                some = True
                yield from held.items()
            else:
                waiting += [value for key, value in one.items() if key != "Comments" and isinstance(value, dict | list)]
    if not some:
        yield from ((name, value) for name, value in plain.items() if not name.startswith("@") and not isinstance(value, dict | list))


# -- XML: sum and conrep --


def _xml(said: str, root: str) -> ElementTree.Element:
    """The element `root` of a text that may begin with a tool's banner. Raises Refused."""
    lines = lines_of(said)
    text = "\n".join(lines)
    start = re.search(rf"<{root}[\s>]", text)
    if start is None:
        error = error_in(lines)
        raise Refused(f"the tool answered with an error: {error}" if error else f"it has no <{root}>")
    body = text[start.start() :]
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise Refused("its XML declares a document type")
    end = body.rfind(f"</{root}>")
    if end < 0:
        raise Refused(f"its XML ends before </{root}>")
    try:
        return ElementTree.fromstring(body[: end + len(root) + 3])
    except (ElementTree.ParseError, ValueError, RecursionError):
        raise Refused("its XML is not valid") from None


def looks_sum(said: str) -> bool:
    return "<BiosCfg" in said[:20_000]


def sum_xml(said: str) -> Parts:
    root = _xml(said, "BiosCfg")
    found: dict[str, BiosSetting] = {}
    facts: dict[str, str] = {}
    board = ""
    waiting: list[tuple[tuple[str, ...], ElementTree.Element]] = [((), root)]
    while waiting:
        path, menu = waiting.pop()
        for child in menu:
            if child.tag == "Menu" and len(path) < 32:
                waiting.append(((*path, child.get("name", "")), child))
            elif child.tag == "Setting" and len(found) < MOST_ITEMS:
                setting = _sum_setting(path, child)
                if setting is not None:
                    found.setdefault(setting.name, setting)
            elif child.tag == "Text" and (fact := re.fullmatch(r"([A-Za-z ]{3,40})\((.*)\)", (child.text or "").strip())):
                facts.setdefault(fact[1].strip(), fact[2])
            elif child.tag == "Subtitle" and (child.text or "").startswith("Supermicro "):
                board = board or told((child.text or "").removeprefix("Supermicro "))
    if not found:
        raise Refused("its <BiosCfg> has no setting with its value")
    made = tuple(sorted(found.values(), key=lambda one: one.name))
    return _with_facts(Parts(settings=made, boot_mode=_sum_mode(made)), board, facts)


def _sum_mode(made: tuple[BiosSetting, ...]) -> Literal["", "bios", "efi"]:
    last = tuple(structs.replace(one, name=one.name.rpartition("|")[2]) for one in made)
    return mode_of(last)


def _with_facts(found: Parts, board: str, facts: dict[str, str]) -> Parts:
    firmware = (
        [Firmware(part="bios", version=told(facts["BIOS Version"]), date=day_of(facts.get("Build Date")))]
        if facts.get("BIOS Version")
        else []
    )
    if cpld := told(facts.get("CPLD Version")):
        firmware.append(Firmware(part="cpld", version=cpld))
    memory = re.fullmatch(r"(\d{1,9}) MB", facts.get("Total Memory", ""))
    return structs.replace(
        found,
        board=Product(vendor="Supermicro", model=board) if board else None,
        firmware=tuple(firmware),
        memory=int(memory[1]) * MIB if memory else 0,
    )


def _sum_setting(path: tuple[str, ...], found: ElementTree.Element) -> BiosSetting | None:
    name, kind = name_in("|".join((*path, found.get("name", "")))), found.get("type", "")
    about = found.find("Information")
    if not name or about is None:
        return None
    group = "|".join(path)

    def number(tag: str) -> int | None:
        said = (about.findtext(tag) or "").strip()
        return int(said) if re.fullmatch(r"-?\d{1,18}", said) else None

    if kind == "Password" or is_secret(found.get("name", "")):
        return BiosSetting(name=name, type="password", group=group, least=number("MinSize"), most=number("MaxSize"))
    made = BiosSetting(name=name, type="choice", group=group)
    if kind == "Option":
        choices = tuple(one.text or "" for one in about.findall("AvailableOptions/Option") if value_in(one.text or "")[1])
        default = about.findtext("DefaultOption")
        return _kept(found.get("selectedOption"), structs.replace(made, allowed=choices, default=default))
    if kind == "CheckBox":
        default = about.findtext("DefaultStatus")
        return _kept(found.get("checkedStatus"), structs.replace(made, allowed=("Checked", "Unchecked"), default=default))
    if kind == "Numeric":
        said = found.get("numericValue", "")
        return structs.replace(
            made,
            type="number",
            value=int(said) if re.fullmatch(r"-?\d{1,18}", said) else None,
            default=number("DefaultValue"),
            least=number("MinValue"),
            most=number("MaxValue"),
            step=max(0, number("StepSize") or 0),
        )
    words = structs.replace(made, type="text", least=number("MinSize"), most=number("MaxSize"), default=about.findtext("DefaultString"))
    return _kept(found.findtext("StringValue"), words)


def _kept(said: str | None, made: BiosSetting) -> BiosSetting | None:
    value, good = value_in(said)
    default, known = value_in(made.default)
    return structs.replace(made, value=value, default=default if known else None) if good else None


def looks_sum_text(said: str) -> bool:
    return "Supermicro Update Manager" in said[:4000] and not looks_sum(said)


def sum_info(said: str) -> Parts:
    """`sum -c GetBiosInfo`. What other commands print tells of an order, and is refused with sum's words."""
    lines = lines_of(said)
    pairs = (re.fullmatch(r"([A-Za-z][A-Za-z ]{1,40}?)\.{2,}(.*)", line.strip()) for line in lines)
    found = {pair[1].lower(): pair[2].strip() for pair in pairs if pair}
    version = told(found.get("bios version"))
    if not version:
        words = next((told(line) for line in lines if re.match(r"\s*(Note|Status|WARNING|ERROR|ExitCode)\b", line, re.IGNORECASE)), "")
        raise Refused(f"sum tells of an order and not of the machine: {words}" if words else "sum's answer has no version of the BIOS")
    return Parts(firmware=(Firmware(part="bios", version=version, date=day_of(found.get("bios build date"))),))


def looks_conrep(said: str) -> bool:
    return "<Conrep" in said[:4000]


def conrep(said: str) -> Parts:
    root = _xml(said, "Conrep")
    found: dict[str, object] = {}
    for section in root.findall("Section")[:MOST_ITEMS]:
        name = section.get("name", "")
        if len(section):
            for child in list(section)[:64]:
                found[f"{name}.{child.tag}"] = (child.text or "").strip()
        else:
            found[name] = (section.text or "").strip()
    model, rom = told(root.get("originating_platform")), told(root.get("originating_family"))
    made = _made(found, [], "its <Conrep>")
    firmware = (Firmware(part="bios", version=rom, date=day_of(root.get("originating_romdate"))),) if rom else ()
    return structs.replace(made, system=Product(vendor="HPE", model=model) if model else None, firmware=firmware)


# -- syscfg --


def looks_syscfg(said: str) -> bool:
    head = said[:20_000]
    return re.search(r"(?im)^\[BIOS::|;\s*Options:", head) is not None or ("Current Value" in head and "Possible Values" in head)


def syscfg(said: str) -> Parts:
    """Blocks of `/d BIOSSETTINGS`, or the lines of an INI file in sections `BIOS::...`. Values are the texts of the options."""
    lines = lines_of(said)
    found = dict(_syscfg_blocks(lines)) or dict(_syscfg_ini(lines))
    if not found:
        error = error_in(lines)
        raise Refused(f"syscfg answered with an error: {error}" if error else "syscfg's answer has no setting of the BIOS")
    made = tuple(found.values())[:MOST_ITEMS]
    return Parts(settings=made, boot_mode=mode_of(made))


def _syscfg_blocks(lines: list[str]) -> Iterator[tuple[str, BiosSetting]]:
    """A name, a line of `=`, `Current Value : X`, and after `Possible Values` lines of `text : number`."""
    name, value, last = "", "", ""
    choices: list[str] = []
    listing = False
    for line in [*lines, "==="]:
        clean = line.strip()
        if re.fullmatch("={3,}", clean):
            if name_in(name) and value and value_in(value)[1]:
                yield name, _syscfg_setting(name, value, tuple(dict.fromkeys(choices)))
            name, value, choices, listing = last, "", [], False
        elif now := re.fullmatch(r"Current Value\s*:\s*(.*)", clean):
            value = now[1].strip()
        elif clean.startswith("Possible Values"):
            listing = True
        elif listing and (choice := re.fullmatch(r"(.{1,200}?)\s*:\s*[0-9A-Fa-fx]{1,20}", clean)):
            choices.append(choice[1])
        last = clean or last


def _syscfg_setting(name: str, value: str, choices: tuple[str, ...], group: str = "") -> BiosSetting:
    if is_secret(name):
        return BiosSetting(name=name, type="password", group=group)
    return BiosSetting(name=name, value=value, type="choice" if choices else "", allowed=choices, group=group)


def syscfg_codes(said: str) -> dict[str, dict[str, str]]:
    """Setting -> text of an option -> its number, which is what an INI file holds."""
    out: dict[str, dict[str, str]] = {}
    for line in said.splitlines():
        name, equals, rest = line.strip().partition("=")
        options = _OPTIONS.search(rest)
        if equals and options:
            pairs = [one.rpartition("=") for one in options[1].split(":")]
            out[name.strip()] = {text.strip(): number.strip() for text, sign, number in pairs if sign}
    return out


def _syscfg_ini(lines: list[str]) -> Iterator[tuple[str, BiosSetting]]:
    section = ""
    for line in lines:
        clean = line.strip()
        if head := re.fullmatch(r"\[(.{1,100})\]", clean):
            section = head[1]
            continue
        if not section.upper().startswith("BIOS") or clean.startswith(";") or "=" not in clean:
            continue
        name, _, rest = clean.partition("=")
        options = _OPTIONS.search(rest)
        value = (rest[: options.start()] if options else rest.partition(";")[0]).strip()
        pairs = [one.rpartition("=") for one in options[1].split(":")] if options else []
        named = {number.strip(): text.strip() for text, equals, number in pairs if equals}
        name = name.strip()
        if name_in(name) and value_in(value)[1]:
            yield name, _syscfg_setting(name, named.get(value, value), tuple(named.values()), section)
