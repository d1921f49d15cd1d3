package verbs

import (
	"strings"

	"github.com/knutpunkt/knutpunkt/hub/bus"
)

// brokers looks at what replicas wake each other over, where that is more than memory.
func (d *doctor) brokers() {
	if d.settings == nil || d.settings.Kafka == nil {
		return
	}
	k := d.settings.Kafka
	about := "bus " + strings.Join(k.Brokers, ",")
	access, err := accessTo(k)
	if err != nil {
		d.wrong(about, err.Error(), "The hub does not start.", "Make the files under kafka: tls: what they are to be.")
		return
	}
	topics := []string{k.Wakes}
	if k.Statuses != "" {
		topics = append(topics, k.Statuses)
	}
	if err := bus.Look(access, topics...); err != nil {
		d.wrong(about, err.Error(), "Nothing is lost: what is due is found by looking for it, which takes longer, and what others read on a topic waits.",
			"See to the brokers, or to kafka: in knutpunkt.yaml. Topics are made when the hub starts, where the brokers let it.")
		return
	}
	d.ok(about, "the brokers answer, and have "+strings.Join(topics, " and "))
}
