package rows

import "sync"

// A recent remembers what was used lately: between n and 2n things. It is two
// generations: when the young one is full it becomes the old one, whose things are
// forgotten unless they are used again.
type recent[K comparable, V any] struct {
	mu         sync.Mutex
	n          int
	young, old map[K]V
}

func newRecent[K comparable, V any](n int) *recent[K, V] {
	return &recent[K, V]{n: n, young: map[K]V{}}
}

func (r *recent[K, V]) get(k K) (v V, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if v, ok = r.young[k]; ok {
		return v, true
	}
	if v, ok = r.old[k]; ok {
		r.add(k, v)
	}
	return v, ok
}

func (r *recent[K, V]) put(k K, v V) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.add(k, v)
}

func (r *recent[K, V]) add(k K, v V) {
	if len(r.young) >= r.n {
		r.old, r.young = r.young, make(map[K]V, r.n)
	}
	r.young[k] = v
}
