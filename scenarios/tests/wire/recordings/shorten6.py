#!/usr/bin/env python3
"""Shortens what lib6.sh's `dump` prints to a trace.txt: times from the first frame, MACs to their last byte."""
import re, sys
raw = open(sys.argv[1]).read().splitlines()
def mac(m):
    return 'bc' if m == 'ff:ff:ff:ff:ff:ff' else re.sub(r'^02:00:00:00:00:', '', m)
first = min(float(l.split()[0]) for l in raw if re.match(r'^\d{9,}\.\d+ ', l))
def t(x): return f'{float(x)-first:.5f}'
KIND = {'source link-address': 'source', 'destination link-address': 'target'}
def short(l):
    at, rest = l.split(' ', 1)
    m = re.match(r'([0-9a-f:]{17}) > ([0-9a-f:]{17}), ethertype IPv6 \(0x86dd\), length (\d+): (.*)', rest)
    head, body = (f'{mac(m[1])} > {mac(m[2])}, length {m[3]}: ', m[4]) if m else ('ip: ', rest)
    if not m:
        body = re.sub(r'^ *(In|Out) ethertype IPv6 \(0x86dd\), length \d+: ', '', body)
    # headers: (class, flowlabel, hlim, next-header X (n) payload length: L)
    body = re.sub(r'\((?:class (0x[0-9a-f]+), )?(?:flowlabel 0x[0-9a-f]+, )?hlim (\d+), next-header (\S+) \((\d+)\) payload length: (\d+)\) ',
        lambda h: f"({'class '+h[1]+', ' if h[1] else ''}hlim {h[2]}, {h[3]} {int(h[5])+40}) ", body)
    body = re.sub(r'cksum 0x[0-9a-f]+ \(correct\), ', '', body)
    body = re.sub(r'\[icmp6 sum ok\] ', '', body)
    # options: the usual ones are left out
    body = re.sub(r', options \[mss 1440,sackOK,TS val \d+ ecr \d+,nop,wscale 6\]', '', body)
    body = re.sub(r', options \[mss (\d+),sackOK,TS val \d+ ecr \d+,nop,wscale 6\]', r', opt mss \1,sackOK,TS,wscale 6', body)
    body = re.sub(r', options \[nop,nop,TS val \d+ ecr \d+\]', '', body)
    body = re.sub(r', options \[nop,nop,TS val \d+ ecr \d+,nop,nop,(sack [^\]]*)\]', r',\1', body)
    body = re.sub(r', length 0$', '', body)
    body = re.sub(r': HTTP.*$', '', body)
    return f'{t(at)} {head}{body}'
out, wire, marks = [], False, []
for l in raw:
    if l.startswith('modprobe:') : continue
    if l.startswith('=== end'): break
    if l.startswith('=== '):
        if not wire: out.append('')
        wire = True; out.append(l); continue
    if not wire:
        m = re.match(r'## (\S+) (\S+) (.*)', l)
        if m:
            out.append(f'## t={float(m[2])-first:.3f} {m[3]}'); marks.append((float(m[1]), float(m[2])-first)); continue
        out.append(l); continue
    if re.match(r'^\d{9,}\.\d+ ', l): out.append(short(l)); continue
    o = re.match(r'\s+(source|destination) link-address option \(\d\), length 8 \(1\): (\S+)', l)
    if o: out[-1] += f", {KIND[o[1]+' link-address']} lladdr {mac(o[2])}"; continue
    o = re.match(r'\s+unknown option \(14\), length 8 \(1\):', l)
    if o: nonce = True; continue
    o = re.match(r'\s+0x0000:\s+(\S+) (\S+) (\S+)$', l)
    if o: out[-1] += f', nonce {o[1]}{o[2]}{o[3]}'; continue
    if l.strip():
        # a quoted packet
        out[-1] += ' ' + re.sub(r'^\d+\.\d+ ', '', short('0 ' + l.strip())[len(t('0'))+1:].replace('ip: ', '', 1))
print('# tcpdump -e -n -v of each interface, times in seconds from the first frame. MAC 02:00:00:00:00:XX is written XX.')
print('# (hlim, protocol and IP length; flow labels left out). SYN and SYN-ACK carry options mss 1440, sackOK, timestamp, wscale 6 unless printed; other segments timestamps.')
print('\n'.join(out))
print('uptime at t=0:', [round(u - t0, 3) for u, t0 in marks], file=sys.stderr)
