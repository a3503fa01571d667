"""Files behind servers: real ones on loopback for http://, https:// and root://."""

import importlib.util
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from cascadebdt import config as configuration
from cascadebdt import ntuple
from cascadebdt.cli import main
from cascadebdt.config import NtupleConfig
from cascadebdt.errors import FileError, InputError, TransientInputError
from cascadebdt.events import Events, loading
from cascadebdt.ntuple.fingerprints import fingerprints
from tiny_analysis import tiny_config

# aiohttp closes its connections in the background; fsspec keeps its sessions until the interpreter ends.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


class _Ranges(SimpleHTTPRequestHandler):
    """Serves files, byte ranges too; answers 503 to the first `faults` requests."""

    faults = 0

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        if type(self).faults > 0:
            type(self).faults -= 1
            self.send_error(503)
            return
        wanted = self.headers.get("Range")
        path = Path(self.translate_path(self.path))
        if wanted is None or not path.is_file():
            super().do_GET()
            return
        content = path.read_bytes()
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        part = content[int(first) : int(last) + 1 if last else None]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{int(first) + len(part) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)


@pytest.fixture(scope="module")
def web(ntuples: Path) -> Iterator[str]:
    """A web server with the tiny ntuples."""
    if importlib.util.find_spec("aiohttp") is None:
        pytest.skip("the extra 'https' is not installed")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Ranges, directory=str(ntuples)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def secure(ntuples: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A web server with TLS, and the certificate that it made for itself."""
    program = shutil.which("openssl")
    if program is None or importlib.util.find_spec("aiohttp") is None:
        pytest.skip("the program openssl or the extra 'https' is not installed")
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    command = [program, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Ranges, directory=str(ntuples)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://127.0.0.1:{server.server_port}", certificate
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def xrootd(ntuples: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An XRootD server with the tiny ntuples."""
    program = shutil.which("xrootd")
    if program is None or importlib.util.find_spec("fsspec_xrootd") is None:
        pytest.skip("the server xrootd (Debian: xrootd-server) or the extra 'xrootd' is not installed")
    folder = tmp_path_factory.mktemp("xrootd")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    lines = ["all.role server", f"xrd.port {port}", f"all.export {ntuples}", f"all.adminpath {folder}"]
    (folder / "xrootd.cfg").write_text("\n".join([*lines, f"all.pidpath {folder}", "xrd.network nodnr"]) + "\n")
    user = ["-R", "nobody"] if os.geteuid() == 0 else []
    for path in (folder, *folder.parents, ntuples, *ntuples.rglob("*")):
        if user and os.access(path, os.W_OK) and str(path).startswith(str(folder.parents[1])):
            path.chmod(path.stat().st_mode | 0o755)
    folder.chmod(0o777)
    command = [program, *user, "-c", str(folder / "xrootd.cfg"), "-l", str(folder / "log")]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    yield f"root://127.0.0.1:{port}/{ntuples}"
    server.terminate()
    server.wait()


def select(address: str, names: list[str]) -> Events:
    """Select the tiny analysis with one of its samples behind a server."""
    raw = tiny_config()
    raw["ntuples"].update(retries=0)
    raw["samples"] = [sample for sample in raw["samples"] if sample["name"] != "data"]
    for sample in raw["samples"]:
        sample["files"] = [f"{address}/{name.format(sample['name'])}" for name in names]
    return loading.select(configuration.parse(raw), nominal_only=True)


def assert_like_local(found: Events, tiny_events: Events) -> None:
    expected = tiny_events.take(tiny_events.is_nominal & ~tiny_events.is_data)
    np.testing.assert_array_equal(found.event_id, expected.event_id)
    for name, column in found.columns.items():
        np.testing.assert_array_equal(column, expected.columns[name])


def test_files_of_a_web_server_give_the_same_events(web: str, tiny_events: Events) -> None:
    assert_like_local(select(web, ["{}_0.root", "{}_1.root"]), tiny_events)


def test_files_of_a_server_with_tls_are_read_if_its_certificate_is_trusted(
    secure: tuple[str, Path], tiny_events: Events, tmp_path: Path
) -> None:
    """In processes of their own: the trusted certificates are those of the start of a process."""
    address, certificate = secure
    code = (
        "import numpy, test_remote\n"
        f"events = test_remote.select({address!r}, ['{{}}_0.root', '{{}}_1.root'])\n"
        f"numpy.save({str(tmp_path / 'found')!r}, events.event_id)"
    )
    places = [str(Path(__file__).parent), str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    paths = os.pathsep.join(places)
    trusting = os.environ | {"PYTHONPATH": paths, "SSL_CERT_FILE": str(certificate)}
    subprocess.run([sys.executable, "-c", code], check=True, env=trusting)
    expected = tiny_events.event_id[tiny_events.is_nominal & ~tiny_events.is_data]
    np.testing.assert_array_equal(np.load(tmp_path / "found.npy"), expected)
    command = [sys.executable, "-m", "cascadebdt", "inspect", f"{address}/data.root"]
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "data.root: the certificate of the server is not trusted" in refused.stderr


def test_files_of_an_xrootd_server_give_the_same_events_also_by_pattern(xrootd: str, tiny_events: Events) -> None:
    assert_like_local(select(xrootd, ["{}_0.root", "{}_1.root"]), tiny_events)
    assert len(ntuple.find([f"{xrootd}/zee_*.root"], directory=Path())) == 2


def test_a_server_that_recovers_is_asked_again(web: str) -> None:
    _Ranges.faults = 1
    file = ntuple.describe(f"{web}/data.root", NtupleConfig(retries=3, retry_seconds=0.01))
    assert file.entries == 800


def test_a_server_that_is_not_there_is_a_fault_that_may_pass(web: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(TransientInputError, match=rf"127.0.0.1:{port}/data.root: reading failed"):
        ntuple.describe(f"http://127.0.0.1:{port}/data.root", NtupleConfig(retries=0))


def test_a_file_that_the_server_does_not_have_is_no_such_file(web: str) -> None:
    with pytest.raises(FileError, match=r"nothing.root: no such file") as error:
        ntuple.describe(f"{web}/nothing.root", NtupleConfig())
    assert not isinstance(error.value, TransientInputError)


def test_a_web_server_cannot_list_files() -> None:
    with pytest.raises(InputError, match=r"a web server cannot list files; name them one by one"):
        ntuple.find(["https://example.invalid/*.root"], directory=Path())


@pytest.mark.parametrize(
    ("scheme", "modules", "extra"), [("https", ["aiohttp"], "https"), ("root", ["fsspec_xrootd", "XRootD"], "xrootd")]
)
def test_a_missing_extra_is_named(scheme: str, modules: list[str], extra: str) -> None:
    hide = f"import sys; sys.modules.update(dict.fromkeys({modules}))"
    code = f"{hide}; from cascadebdt.cli import main; main(['inspect', '{scheme}://127.0.0.1:1/x.root'])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 2, result.stderr
    assert f"reading {scheme}:// needs an extra package that is not installed; install it: pip install" in result.stderr
    assert f"'cascadebdt[{extra}]'" in result.stderr


def test_a_server_that_is_not_there_ends_a_command_with_exit_code_75(tmp_path: Path) -> None:
    pytest.importorskip("aiohttp", reason="the extra 'https' is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    raw = tiny_config()
    raw["ntuples"]["retries"] = 0
    raw["samples"][0]["files"] = f"http://127.0.0.1:{port}/x.root"
    (tmp_path / "config.yaml").write_text(json.dumps(raw))
    result = CliRunner().invoke(main, ["check", str(tmp_path / "config.yaml"), "--quiet"])
    assert result.exit_code == 75, result.output
    assert "x.root: reading failed" in result.output


class Site:
    """A web server with some files, which can be lost."""

    def __init__(self, folder: Path) -> None:
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Ranges, directory=str(folder)))
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def end(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def sites(ntuples: Path) -> Iterator[tuple[Site, Site]]:
    """Two servers with the tiny ntuples; the first is ended by the test."""
    pytest.importorskip("aiohttp", reason="the extra 'https' is not installed")
    both = Site(ntuples), Site(ntuples)
    yield both
    both[1].end()


ONCE = NtupleConfig(retries=0)


def test_the_second_replica_is_read_where_the_first_site_is_lost(
    sites: tuple[Site, Site], tiny_events: Events, tmp_path: Path
) -> None:
    lost, other = sites
    lost.end()
    for name in ("signal", "zee", "wjets"):
        lines = [f"{lost.address}/{name}_{part}.root | {other.address}/{name}_{part}.root" for part in range(2)]
        (tmp_path / f"{name}.txt").write_text("\n".join(lines))
    assert_like_local(select(str(tmp_path), ["{}.txt"]), tiny_events)


def test_what_tells_a_file_from_others_is_the_same_of_all_replicas_and_so_are_its_events(
    sites: tuple[Site, Site],
) -> None:
    lost, other = sites
    location = f"{lost.address}/data.root | {other.address}/data.root"
    with ntuple.Reader(ONCE) as reader:
        file = ntuple.describe(location, ONCE)
        before = reader.read(ntuple.ranges(file, entries=100)[0], ["MET_pt"])
        identity = fingerprints([location], ONCE, known={})[location].identity
        name = ntuple.relative(location, Path())
        lost.end()
        with ntuple.Reader(ONCE) as another:  # which begins with the replica that is lost now
            after = another.read(ntuple.ranges(file, entries=100)[0], ["MET_pt"])
    assert fingerprints([location], ONCE, known={})[location].identity == identity
    assert (name, ntuple.relative(location, Path())) == (f"{lost.address}/data.root",) * 2
    assert before.to_list() == after.to_list()


def test_other_servers_stand_in_for_the_one_that_is_named_and_no_name_changes(sites: tuple[Site, Site]) -> None:
    lost, other = sites
    location = f"{lost.address}/data.root"
    config = NtupleConfig(retries=0, replicas={f"{lost.address}/": [f"{lost.address}/nothing/", f"{other.address}/"]})
    before = fingerprints([location], config, known={})[location].identity
    lost.end()
    assert fingerprints([location], config, known={})[location].identity == before
    file = ntuple.describe(location, config)
    with ntuple.Reader(config) as reader:
        assert len(reader.read(ntuple.ranges(file, entries=100)[0], ["MET_pt"])) == 100
    assert file.location == location


def test_a_replica_with_other_content_is_an_error(sites: tuple[Site, Site], ntuples: Path, tmp_path: Path) -> None:
    lost, _ = sites
    shutil.copy(ntuples / "zee_0.root", tmp_path / "data.root")
    wrong = Site(tmp_path)
    file = ntuple.describe(f"{lost.address}/data.root | {wrong.address}/data.root", ONCE)
    lost.end()
    with ntuple.Reader(ONCE) as reader, pytest.raises(InputError, match="is another file than the replicas named with"):
        reader.read(ntuple.ranges(file, entries=100)[0], ["MET_pt"])
    wrong.end()


def test_where_no_replica_can_be_read_the_fault_may_pass_if_one_of_them_may(
    sites: tuple[Site, Site], tmp_path: Path
) -> None:
    lost, other = sites
    lost.end()
    location = f"{tmp_path / 'local.root'} | {lost.address}/data.root"
    with pytest.raises(TransientInputError, match=r"local.root: none of its 2 replicas can be read") as error:
        ntuple.describe(location, ONCE)
    assert error.value.location == location
    with pytest.raises(FileError, match=r"local.root: no such file; .*gone.root: no such file") as final:
        ntuple.describe(f"{tmp_path / 'local.root'} | {other.address}/gone.root", ONCE)
    assert not isinstance(final.value, TransientInputError)


@pytest.mark.parametrize("text", ["a.root |", "a_*.root | b.root", "list.txt | b.root"])
def test_replicas_are_names_of_one_file(text: str) -> None:
    with pytest.raises(InputError, match=r"expected names or URLs of one file with '\|' between them"):
        ntuple.find([text], directory=Path())
