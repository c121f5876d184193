"""Whose certificates count, and the one that is shown to servers that ask who calls."""

from __future__ import annotations

import ssl

from tutti.errors import Invalid


def certified(certificate: str) -> ssl.SSLContext | None:
    """What connects with a certificate that is shown to who asks for one (mTLS): a PEM file with its key. None where no file is named: then the usual will do.

    The certificates that count are the system's, or what SSL_CERT_FILE names. Raises: `Invalid` when the file holds no such pair, or cannot be read.
    """
    if not certificate:
        return None
    context = ssl.create_default_context()
    try:
        context.load_cert_chain(certificate, password=lambda: "")  # instead of asking at the terminal
    except (OSError, ssl.SSLError) as error:
        hint = "Name a PEM file with the certificate and its key, one after the other, without a pass phrase."
        raise Invalid(f"{certificate} cannot be shown as a certificate: {getattr(error, 'reason', None) or error.strerror or error}.", hint=hint) from error
    return context
