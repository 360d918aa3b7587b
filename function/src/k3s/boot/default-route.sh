#!/bin/sh
# Sends what leaves the private network to its gateway. For servers without a public address.
set -eu

interface=$(ip -4 -o route get "$GATEWAY" | sed -n 's/.* dev \([^ ]*\).*/\1/p')
[ -n "$interface" ]
ip -4 route replace default via "$GATEWAY" dev "$interface" onlink
