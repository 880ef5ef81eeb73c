#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes a certificate for localhost that has signed itself, and its key: for trying things out.
set -eu

if [ $# -ne 2 ] || [ "$1" = --help ]; then
    echo "usage: make_certificate.sh CERTIFICATE KEY"
    echo
    echo "Writes two PEM files, valid for a week. Clients have to trust the certificate itself:"
    echo "curl --cacert CERTIFICATE https://localhost:PORT/"
    [ "${1:-}" = --help ] && exit 0
    exit 2
fi
exec openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 7 \
    -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1 \
    -out "$1" -keyout "$2"
