package outbound

import (
	"context"
	"net"
	"net/netip"
	"syscall"
)

// never are addresses that no system has: metadata services, link-local, and the
// ranges that carry another address inside them.
var never = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"),  // carrier-grade NAT
	netip.MustParsePrefix("169.254.0.0/16"), // link-local, metadata
	netip.MustParsePrefix("224.0.0.0/4"),    // multicast
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("::/128"),
	netip.MustParsePrefix("64:ff9b::/96"), // NAT64
	netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("2002::/16"), // 6to4
	netip.MustParsePrefix("2001::/32"), // Teredo
	netip.MustParsePrefix("5f00::/16"), // segment routing
	netip.MustParsePrefix("fe80::/10"),
	netip.MustParsePrefix("ff00::/8"),
	netip.MustParsePrefix("fd00:ec2::254/128"), // metadata
}

// control is asked for each address after the name was looked up and before
// anything is sent to it.
func (d *Door) control(_ context.Context, _, address string, _ syscall.RawConn) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return ErrEgress
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || !d.mayReach(ip) {
		return ErrEgress
	}
	return nil
}

// mayReach judges a number. This machine itself is reached only where a grant
// says so in so many words, never through a name that happens to mean it.
func (d *Door) mayReach(ip netip.Addr) bool {
	if ip.Is4In6() {
		return false
	}
	if ip.IsLoopback() {
		for _, g := range d.grants {
			if literal, err := netip.ParseAddr(g.Host); err == nil && literal == ip || g.Host == "localhost" {
				return true
			}
		}
		return false
	}
	for _, p := range never {
		if p.Contains(ip) {
			return false
		}
	}
	return true
}
