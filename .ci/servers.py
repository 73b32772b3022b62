"""Starts servers of other people's making on free ports of this machine, runs a command that finds them in its environment,
and stops them again.

    python servers.py aws COMMAND...              moto and ministack, which speak AWS's protocols
    python servers.py stores AZURITE COMMAND...   stores of objects: moto's S3, the same without what makes its puts
                                                  conditional, the same behind a check of credentials, and Azurite's blobs

Google's own storage has no server to test against: those that can be installed ignore `x-goog-if-generation-match` (moto,
gcp-storage-emulator, drongo, fake-gcs-server) or do not speak the XML API. So the ledger in Cloud Storage is tried twice
on moto, which speaks the parts that both have: once as it is, where the condition is ignored and has to be noticed, and
once with the condition's header renamed to S3's, where everything else is the same.
"""

import logging
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

HOST = "127.0.0.1"
# Azurite's own, which everybody knows.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
BUCKET = "ledgers"


class Serial:
    """One request after the other: moto's puts look and write in two steps, and real stores do not."""

    def __init__(self, app, rename=False):
        self.app, self.rename, self.lock = app, rename, threading.Lock()

    def __call__(self, environ, start_response):
        if self.rename and environ.pop("HTTP_X_GOOG_IF_GENERATION_MATCH", None) == "0":
            environ["HTTP_IF_NONE_MATCH"] = "*"
        with self.lock:
            return list(self.app(environ, start_response))


def serve(rename=False):
    """A moto in a process of its own; its port."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
        from moto.server import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import make_server

        server = make_server(HOST, 0, Serial(DomainDispatcherApplication(create_backend_app), rename), threaded=True)
        os.write(writer, f"{server.port}\n".encode())
        os.close(writer)
        parent = os.getppid()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        # Whoever kills the parent cannot tell its children.
        while os.getppid() == parent:
            time.sleep(0.2)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        port = pipe.readline().strip()
    if not port:
        sys.exit("moto did not start")
    url = f"http://{HOST}:{port}"
    answers(f"{url}/moto-api/")
    return child, url


def free_port():
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        return taken.getsockname()[1]


def answers(url):
    """Waits until anything at all answers."""
    for _ in range(600):
        try:
            urllib.request.urlopen(url, timeout=5)
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
    sys.exit(f"nothing answers at {url}")


def bucket(url):
    request = urllib.request.Request(f"{url}/{BUCKET}", method="PUT")
    urllib.request.urlopen(request, timeout=30)
    return f"{url}/{BUCKET}"


def container(url):
    from azure.storage.blob import BlobServiceClient

    BlobServiceClient(f"{url}/{ACCOUNT}", credential=KEY).create_container(BUCKET)
    return f"{url}/{ACCOUNT}/{BUCKET}"


def guarded_bucket(url):
    """The first call is free, and makes the bucket; from then on credentials are looked at."""
    os.environ.pop("INITIAL_NO_AUTH_ACTION_COUNT", None)
    return bucket(url)


def aws(children, environment, folder):
    """AWS as two others understand it. What one lacks the other has; neither keeps tokens."""
    os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"
    child, url = serve()
    children.append(child)
    environment["LANDFALL_TEST_MOTO"] = url
    environment["LANDFALL_TEST_S3"] = bucket(url)
    port = free_port()
    settings = {
        "BIND_HOST": HOST,
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_ENABLED": "0",
        "MINISTACK_ACCOUNT_ID": "123456789012",
        "S3_DATA_DIR": f"{folder}/s3",
        "TMPDIR": folder,
    }
    binary = os.path.join(os.path.dirname(sys.executable), "ministack")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    children.append(subprocess.Popen([binary], env={**os.environ, **settings}, **quiet).pid)
    answers(f"http://{HOST}:{port}/_ministack/health")
    environment["LANDFALL_TEST_MINISTACK"] = f"http://{HOST}:{port}"


def stores(children, environment, folder, azurite):
    child, url = serve()
    children.append(child)
    environment["LANDFALL_TEST_S3"] = bucket(url)
    environment["LANDFALL_TEST_UNCONDITIONAL_CLOUD_STORAGE"] = bucket(url)
    child, url = serve(rename=True)
    children.append(child)
    environment["LANDFALL_TEST_CLOUD_STORAGE"] = bucket(url)
    os.environ["INITIAL_NO_AUTH_ACTION_COUNT"] = "1"
    child, url = serve()
    children.append(child)
    environment["LANDFALL_TEST_GUARDED_S3"] = guarded_bucket(url)
    port = free_port()
    flags = ["--blobHost", HOST, "--blobPort", str(port), "--location", folder]
    flags += ["--silent", "--skipApiVersionCheck", "--disableTelemetry"]
    server = subprocess.Popen([azurite, *flags], stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
    children.append(server.pid)
    answers(f"http://{HOST}:{port}/")
    environment["LANDFALL_TEST_AZURE_BLOB"] = container(f"http://{HOST}:{port}")


def main():
    which, *command = sys.argv[1:]
    children = []
    environment = dict(os.environ)
    folder = tempfile.TemporaryDirectory()
    try:
        if which == "aws":
            aws(children, environment, folder.name)
        else:
            azurite, *command = command
            stores(children, environment, folder.name, azurite)
        return subprocess.run(command, env=environment).returncode
    finally:
        for child in children:
            try:
                os.kill(child, 15)
                os.waitpid(child, 0)
            except (ProcessLookupError, ChildProcessError):
                pass
        folder.cleanup()


if __name__ == "__main__":
    sys.exit(main())
