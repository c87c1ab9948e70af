# What a set-up printed, as trace.txt: awk -f shorten.awk raw raw (the file twice: the first frame is found first).
# Times are seconds from the first frame; what is the same in all frames of a kind is left out.
FNR == 1 { flush_frame(); wires = 0; is_second = NR != FNR }
/^## / && is_second {
    title = $0; sub(/^## [^ ]+ [^ ]+ /, "", title)
    printf "## t=%.3f %s\n", $3 - first, title
    next
}
/^=== end/ { flush_frame(); next }
/^=== / { flush_frame(); wires = 1; if (is_second) { if (!begun++) print ""; print }; next }
!wires { sub(/ \(os error [0-9]+\)/, ""); if (is_second) print; next }
/^[0-9]+\.[0-9]+ / { flush_frame(); frame = $0; next }
{ sub(/^[ \t]+/, " "); frame = frame $0 }
END { flush_frame() }

function flush_frame(    at) {
    if (frame == "") return
    at = substr(frame, 1, index(frame, " ") - 1)
    if (!is_second) { if (first == "" || at < first) first = at }
    else printf "%.5f %s\n", at - first, shortened(substr(frame, index(frame, " ") + 1))
    frame = ""
}

function shortened(text) {
    gsub(/02:00:00:00:00:/, "", text); gsub(/ff:ff:ff:ff:ff:ff/, "bc", text)
    if (sub(/, ethertype ARP \(0x0806\), length [0-9]+: Ethernet \(len 6\), IPv4 \(len 4\),/, " ARP", text)) {
        sub(/, length [0-9]+$/, "", text)
        return text
    }
    sub(/^ *In ethertype/, "ethertype", text)
    sub(/, ethertype IPv4 \(0x0800\)/, "", text); sub(/^ethertype IPv4 \(0x0800\), length [0-9]+: /, "ip: ", text)
    gsub(/tos 0x0, /, "", text)
    gsub(/offset 0, flags \[DF\], /, "DF, ", text); gsub(/offset 0, flags \[none\], /, "", text)
    gsub(/flags \[\+\], /, "+, ", text); gsub(/flags \[none\], /, "", text)
    while (match(text, /proto [A-Za-z]+ \([0-9]+\), length [0-9]+/)) {
        split(substr(text, RSTART, RLENGTH), part, /[ ,]+/)
        text = substr(text, 1, RSTART - 1) part[2] " " part[5] substr(text, RSTART + RLENGTH)
    }
    gsub(/GREv0, Flags \[none\], proto IPv4 \(0x0800\)/, "GREv0", text)
    gsub(/GREv0, Flags \[none\]/, "GREv0", text)
    gsub(/GREv0, Flags \[checksum present\], sum 0x[0-9a-f]+, off 0x0(, proto IPv4 \(0x0800\))?/, "GREv0, checksum", text)
    gsub(/ cksum 0x[0-9a-f]+ \([^)]*\),/, "", text)
    gsub(/, options \[mss 1460,sackOK,TS[^]]*wscale 6\]/, "", text)
    if (match(text, /options \[mss [0-9]+,sackOK/)) sub(/options \[mss/, "opt mss", text)
    gsub(/,TS val [0-9]+ ecr [0-9]+,nop,wscale 6\]/, ",TS,wscale 6", text)
    gsub(/, options \[nop,nop,TS val [0-9]+ ecr [0-9]+\]/, "", text)
    while (match(text, /, options \[nop,nop,TS val [0-9]+ ecr [0-9]+,nop,nop,sack [^]]*\]/)) {
        block = substr(text, RSTART, RLENGTH); sub(/^.*,sack/, ",sack", block); sub(/\]$/, "", block)
        text = substr(text, 1, RSTART - 1) block substr(text, RSTART + RLENGTH)
    }
    sub(/, length 0$/, "", text)
    sub(/: HTTP$/, "", text)
    return text
}
