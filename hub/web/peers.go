package web

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Peers are those who are not known yet when they call, by where they call from, so that
// nobody alone can keep the others from logging in. A whole school or a mobile operator
// may call from one address.
type peers struct {
	mu    sync.Mutex
	known map[netip.Prefix]*rate.Limiter
}

// How often one peer may begin or finish a login, and how many peers are told apart.
const (
	peerRate    = rate.Limit(5) // a second
	peerAtOnce  = 60
	mostPeers   = 10_000
	ipv4Network = 32
	ipv6Network = 64 // one household or one company has all of it
)

// allow reports whether a peer may call now.
func (p *peers) allow(from netip.Prefix, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	limiter := p.known[from]
	if limiter == nil {
		p.makeRoom(now)
		limiter = rate.NewLimiter(peerRate, peerAtOnce)
		p.known[from] = limiter
	}
	return limiter.AllowN(now, 1)
}

// makeRoom forgets those who have been quiet, and where nobody has, all of them.
func (p *peers) makeRoom(now time.Time) {
	if p.known != nil && len(p.known) < mostPeers {
		return
	}
	kept := map[netip.Prefix]*rate.Limiter{}
	for from, limiter := range p.known {
		if limiter.TokensAt(now) < peerAtOnce {
			kept[from] = limiter
		}
	}
	if len(kept) >= mostPeers {
		clear(kept)
	}
	p.known = kept
}

// peerOf gives where a call comes from. Of what stands before us we know only our own
// proxies, so of the addresses that were passed on, the last one counts that is none of
// theirs; what is written before it anybody may have written.
func (s *Server) peerOf(r *http.Request) netip.Prefix {
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	from, _ := netip.ParseAddr(host)
	passed := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(passed) - 1; i >= 0 && s.isProxy(from); i-- {
		said, err := netip.ParseAddr(strings.TrimSpace(passed[i]))
		if err != nil {
			break
		}
		from = said
	}
	return networkOf(from)
}

func (s *Server) isProxy(a netip.Addr) bool {
	for _, proxy := range s.Proxies {
		if proxy.Contains(a.Unmap()) {
			return true
		}
	}
	return false
}

// networkOf gives what one household or company has of addresses.
func networkOf(a netip.Addr) netip.Prefix {
	bits := ipv6Network
	if a = a.Unmap().WithZone(""); a.Is4() {
		bits = ipv4Network
	}
	network, _ := a.Prefix(bits)
	return network
}
