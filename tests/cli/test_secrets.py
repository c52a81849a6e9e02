"""No command shows, writes or records a password or a token, whatever argument it stands in."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from eisv_lumen.core.secrets import Address, mask
from tests.cli.commands import COMMANDS, run, takes_text, value_for

SECRET = "s3cret-Pa55"
FORMS = {
    "url": "postgresql://ada:{}@127.0.0.1:{}/gov",
    "driver": "postgresql+psycopg2://ada:{}@127.0.0.1:{}/gov",
    "query": "postgresql://127.0.0.1:{1}/gov?user=ada&passw%6Frd={0}",
    "pairs": "host=127.0.0.1 port={1} user=ada password='{0}' dbname=gov",
    "https": "https://ada:{}@127.0.0.1:{}/states.parquet",
}
MADE_WITHOUT_READING = {"out", "root", "cache", "scratch", "figure", "plot",
                        "folder", "scheduler", "name", "title"}  # fmt: skip
"""What is written, or only a label; as a path that holds a password it would be made, masked."""
TAKING = [
    (words, parameter.name)
    for words, command in COMMANDS.items()
    for parameter in command.params
    if takes_text(parameter)
    and parameter.name not in MADE_WITHOUT_READING
    and words not in ("render", "doctor", "demo", "lvm demo", "evaluate law", "evaluate published")
]


@pytest.fixture(scope="module")
def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def arguments(words: str, name: str, value: str) -> list[str]:
    """A command line with a value in one place, and something in each other that must be there."""
    options: list[str] = []
    positional: list[str] = []
    for parameter in COMMANDS[words].params:
        if parameter.name != name and not parameter.required:
            continue
        given = value_for(parameter, value if parameter.name == name else None)
        (positional if parameter.param_type_name == "argument" else options).extend(given)
    return [*words.split(), *options, *positional]


def test_sources_are_among_what_is_tested() -> None:
    assert {("data build", "source"), ("data sync", "source"), ("data classify", "source"),
            ("student speak", "data"), ("cluster windows", "source"), ("teacher train", "data"),
            ("data describe", "source")} <= set(TAKING)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("words", "name"), TAKING)
def test_no_output_of_any_command_holds_the_password(
    words: str, name: str, closed_port: int, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for form in FORMS.values():
        run(monkeypatch, *arguments(words, name, form.format(SECRET, closed_port)))
        assert SECRET not in " ".join(sys.argv)
        shown = capfd.readouterr()
        assert SECRET not in shown.out + shown.err
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(SECRET.encode() in path.read_bytes() for path in written)


def test_a_defect_of_ours_prints_its_traceback_without_the_password(tmp_path: Path) -> None:
    code = (
        "import sys, eisv_lumen.trajectory.sources as s\n"
        "def broken(source, *_): raise RuntimeError(f'lost {source.full}')\n"
        "s.read_source = broken\n"
        "from eisv_lumen.cli import main\nmain()"
    )
    url = f"postgresql://ada:{SECRET}@db/gov"
    done = subprocess.run(
        [sys.executable, "-c", code, "data", "labels", url], capture_output=True, text=True,
        check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 1 and "RuntimeError: lost postgresql://ada@db/gov" in done.stderr
    assert SECRET not in done.stderr + done.stdout


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="shown by ps elsewhere")
def test_the_title_that_ps_shows_loses_the_password() -> None:
    code = (
        "from eisv_lumen.core.secrets import hide_arguments as hide; print(hide()[1]);"
        "print(open('/proc/self/cmdline').read())"
    )
    url = f"postgresql://ada:{SECRET}@db/gov"
    shown = subprocess.run(
        [sys.executable, "-c", code, "data", "labels", url], capture_output=True, text=True,
        check=True,
    ).stdout  # fmt: skip
    assert shown.startswith("True") and "postgresql://ada@db/gov" in shown and SECRET not in shown


@pytest.mark.parametrize(
    "text",
    [
        f"postgresql://ada:{SECRET}@db/gov: no such file",
        f"postgresql:/ada:{SECRET}@db/gov: no such file",
        f"(connection to 'postgresql+asyncpg://ada:{SECRET}@db' failed)",
        f"mysql://ada:p@ss/{SECRET}@db/gov",
        f"host=db password = '{SECRET} it''s' user=ada",
        f'host=db sslpassword="{SECRET}"',
        f"s3://bucket/a?AWS_SECRET_ACCESS_KEY={SECRET}&region=x",
        f"https://ada:{SECRET}@huggingface.co/datasets/a/b",
        f"https://{SECRET}@github.com/a/b.git",
        f"postgresql://db/gov?user=ada&PASSWORD={SECRET}",
    ],
)
def test_every_form_of_a_secret_is_masked(text: str) -> None:
    assert SECRET not in mask(text)
    assert mask(mask(text)) == mask(text)


def test_hub_tokens_are_masked_and_names_like_them_are_not() -> None:
    assert mask("token hf_AbCdEfGhIjKlMnOpQr was refused") == "token hf_*** was refused"
    for plain in ("hf_transfer", "hf://datasets/a/b@main", "http://127.0.0.1:7860/?at=a@b",
                  "tcp://head:8786", "runs/password/x.json", "tokens=3"):  # fmt: skip
        assert mask(plain) == plain


def test_an_address_is_masked_wherever_it_is_quoted_and_whole_for_who_connects() -> None:
    import json
    import pickle

    full = "postgresql://ada:a b@c/" + SECRET + "@db/gov"
    address = Address(full)
    for shown in (f"{address}", str(address), repr(address), json.dumps({"source": address})):
        assert SECRET not in shown and "ada@db/gov" in shown
    assert address.full == full and pickle.loads(pickle.dumps(address)).full == full
    assert Address(address) is address
    assert Address(f"postgresql://ada:{SECRET}@db/gov").full.count(SECRET) == 1
    assert SECRET not in mask(f"an error that quotes {SECRET} alone")
    assert Address("anima.db") == "anima.db"
