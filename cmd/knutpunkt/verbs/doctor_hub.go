package verbs

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"time"

	"github.com/knutpunkt/knutpunkt/hub/outbound"
)

// hub asks the hub that runs, at its operators' address.
func (d *doctor) hub(ctx context.Context) {
	const about = "hub"
	at := "http://" + d.settings.Operator
	client, err := toOurselves(at)
	if err != nil {
		d.note(nothing, about, "its operators' address is no address", "", "")
		return
	}
	ready, err := get(ctx, client, at+"/readyz")
	switch {
	case err != nil && d.running:
		d.wrong(about, "a process has the store, and nobody answers at "+at, "no forms are taken, or this is another hub's configuration", "see its log, and start it again")
		return
	case err != nil:
		d.note(soon, about, "none runs here: nobody answers at "+at, "no forms are taken and none are delivered", "start it: knutpunkt serve")
		return
	}
	defer ready.Body.Close()
	var says struct{ Status, Durability, Version string }
	json.NewDecoder(io.LimitReader(ready.Body, 64<<10)).Decode(&says)
	if ready.StatusCode != http.StatusOK {
		d.wrong(about, fmt.Sprintf("it runs and takes no forms: it is %s", orDash(says.Status)), "platforms are turned away, and come back",
			"see what is said of the disk above, and its log")
	} else {
		d.ok(about, fmt.Sprintf("runs, %s, version %s", orDash(says.Durability), orDash(says.Version)))
	}
	d.circuits(ctx, client, at)
}

// toOurselves gives a client for one address, by the same rules as any other.
func toOurselves(at string) (*http.Client, error) {
	grant, err := outbound.GrantFor(at)
	if err != nil {
		return nil, err
	}
	return outbound.Open([]outbound.Grant{grant}, nil, time.Now).HTTP(), nil
}

func get(ctx context.Context, c *http.Client, address string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	return c.Do(req)
}

// openCircuit is a line of the metrics that tells of a system that is not called.
var openCircuit = regexp.MustCompile(`^knutpunkt_circuit_open\{cause="([^"]*)",connector="([^"]*)"\} 1$`)

var causeTexts = map[string]string{
	"down": "it does not answer", "credentials": "it does not accept who we are", "address-changed": "it has moved",
	"contract-broken": "it answers what nobody can understand", "busy": "it has too much to do",
}

// oldRegister is a line of the metrics that tells of a register whose files are late.
var oldRegister = regexp.MustCompile(`^knutpunkt_register_recent\{system="([^"]*)"\} 0$`)

// register tells of a register that files feed and have not fed for too long.
func (d *doctor) register(line string) {
	if m := oldRegister.FindStringSubmatch(line); m != nil {
		d.note(soon, m[1], "its files are late, or none has been read", "what it is asked about is asked of the next register instead, or waits",
			"see which file it needs: knutpunkt residents; fetch it from Skatteverket, and read it in: knutpunkt residents import")
	}
}

// uncollected is a line of the metrics that tells of a place where forms lie that cannot be fetched.
var uncollected = regexp.MustCompile(`^knutpunkt_uncollected\{system="([^"]*)"\} 1$`)

// collecting tells of forms that the hub does not get at.
func (d *doctor) collecting(line string) {
	if m := uncollected.FindStringSubmatch(line); m != nil {
		d.wrong(m[1], "the forms that lie there cannot be fetched", "what platforms leave there stays there, and its cases do not begin",
			"see why in the console, or in the log: forms cannot be collected")
	}
}

// circuits tells of the systems that the hub has stopped calling, of forms that it does not
// get at, and of registers that are out of date.
func (d *doctor) circuits(ctx context.Context, client *http.Client, at string) {
	metrics, err := get(ctx, client, at+"/metrics")
	if err != nil {
		return
	}
	defer metrics.Body.Close()
	for lines := bufio.NewScanner(metrics.Body); lines.Scan(); {
		d.register(lines.Text())
		d.collecting(lines.Text())
		m := openCircuit.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		cause := causeTexts[m[1]]
		if cause == "" {
			cause = m[1]
		}
		d.wrong("hub", fmt.Sprintf("it has stopped calling a system of the kind %s: %s", m[2], cause),
			"what is for it waits, and nothing is lost; it is tried now and then", "see what is said of that system above")
	}
}
