"""A mail server for the tests: `smtp_server.py --out FOLDER [options]`. Prints `port N` when it listens.

Each accepted message becomes `FOLDER/NNNN.eml`, byte for byte as it came, and `FOLDER/NNNN.json`, its envelope. What the
server does otherwise stands in `FOLDER/behaviour.json`, which is read anew for each command:

    refuse: { address: answer }   the answer to a recipient, such as "550 5.1.1 no such user"
    data: answer                  the answer to a whole mail, such as "451 4.3.0 try again later"; nothing is kept
    sender: answer                the answer to MAIL FROM
    spam: subject                 a mail with this subject is refused
    drop: true                    the mail is kept, and the connection is cut before the answer
    close_after: N                the connection is cut before the mail that would be one too many on it
"""

import argparse
import asyncio
import json
import pathlib
import ssl

from aiosmtpd.smtp import SMTP, AuthResult


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--mode", choices=["starttls", "tls", "none", "silent"], default="none")
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    parser.add_argument("--auth", choices=["plain", "login"])
    parser.add_argument("--user", default="rosterd")
    parser.add_argument("--password", default="")
    return parser.parse_args()


class Handler:
    def __init__(self, out):
        self.out = pathlib.Path(out)
        self.taken = len(list(self.out.glob("*.eml")))

    def behaviour(self):
        try:
            return json.loads((self.out / "behaviour.json").read_text())
        except FileNotFoundError:
            return {}

    async def handle_MAIL(self, server, session, envelope, address, options):
        behaviour = self.behaviour()
        if behaviour.get("close_after", 10**9) <= getattr(session, "mails", 0):
            server.transport.abort()
        if "sender" in behaviour:
            return behaviour["sender"]
        envelope.mail_from = address
        return "250 2.1.0 ok"

    async def handle_RCPT(self, server, session, envelope, address, options):
        refused = self.behaviour().get("refuse", {})
        if address in refused:
            return refused[address]
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server, session, envelope):
        behaviour = self.behaviour()
        if "data" in behaviour:
            return behaviour["data"]
        if behaviour.get("spam") and f"Subject: {behaviour['spam']}" in envelope.original_content.decode():
            return "554 5.7.1 looks like spam"
        self.taken += 1
        session.mails = getattr(session, "mails", 0) + 1
        name = f"{self.taken:04}"
        about = {"from": envelope.mail_from, "to": envelope.rcpt_tos, "hello": session.host_name,
                 "login": str(getattr(session, "auth_data", None)), "tls": server.transport.get_extra_info("ssl_object") is not None}
        (self.out / f"{name}.json").write_text(json.dumps(about))
        part = self.out / f"{name}.part"
        part.write_bytes(envelope.original_content)
        part.rename(self.out / f"{name}.eml")
        if behaviour.get("drop"):
            server.transport.abort()
        return f"250 2.0.0 queued as {name}"


def authenticator(options):
    def check(server, session, envelope, mechanism, login):
        right = login.login == options.user.encode() and login.password == options.password.encode()
        return AuthResult(success=right, handled=right, auth_data=f"{mechanism} {login.login.decode()}")

    return check


async def silent(reader, writer):
    """Greets, and says nothing more."""
    writer.write(b"220 silent.example ESMTP\r\n")
    await reader.read()


async def main():
    options = arguments()
    handler = Handler(options.out)
    context = None
    if options.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.certificate, options.key)
    starttls = options.mode == "starttls"
    extra = {}
    if options.auth:
        other = {"plain": "LOGIN", "login": "PLAIN"}[options.auth]
        extra = dict(authenticator=authenticator(options), auth_required=True, auth_require_tls=starttls,
                     auth_exclude_mechanism=[other])

    def session():
        return SMTP(handler, hostname="mail.example", require_starttls=starttls, tls_context=context if starttls else None, **extra)

    loop = asyncio.get_running_loop()
    if options.mode == "silent":
        server = await asyncio.start_server(silent, "127.0.0.1", options.port)
    else:
        implicit = context if options.mode == "tls" else None
        server = await loop.create_server(session, "127.0.0.1", options.port, ssl=implicit)
    print(f"port {server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


asyncio.run(main())
