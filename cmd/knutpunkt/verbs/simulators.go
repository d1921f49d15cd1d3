package verbs

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/knutpunkt/knutpunkt"
	"github.com/knutpunkt/knutpunkt/connectors/edlevo/edlevosim"
	"github.com/knutpunkt/knutpunkt/connectors/filedrop/filedropsim"
	"github.com/knutpunkt/knutpunkt/connectors/mail/mailsim"
	"github.com/knutpunkt/knutpunkt/connectors/messaging/messagingsim"
	"github.com/knutpunkt/knutpunkt/connectors/navet/navetsim"
	"github.com/knutpunkt/knutpunkt/connectors/oep/oepsim"
	"github.com/knutpunkt/knutpunkt/connectors/paxml/paxmlsim"
	"github.com/knutpunkt/knutpunkt/connectors/rest/exercisesim"
	"github.com/knutpunkt/knutpunkt/connectors/sif/sifsim"
	"github.com/knutpunkt/knutpunkt/connectors/webhook/webhooksim"
	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/config"
	"github.com/knutpunkt/knutpunkt/hub/document"
	"github.com/knutpunkt/knutpunkt/hub/seal"
	"github.com/knutpunkt/knutpunkt/hub/web/eidsim"
)

func simulatorsCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "simulators",
		Short: "Run simulated systems: a form platform, Navet, diaria, business systems and an e-ID",
		Long: `Run the simulators that the shipped configuration speaks to, alone, on the addresses
that it names: a form platform, Navet, three diaria, a building system, a payroll system,
a school system, a mail server, a messaging system, a website that is told of its forms,
an e-ID that lets anybody be any of its test persons, and a system for exercise, which
nothing shipped is connected to. They keep ledgers in the folder, go on from them, and the
platform posts again what no hub has answered for. Secrets and keys that the configuration
refers to are made if they are not there.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := makeSecrets(dir); err != nil {
				return err
			}
			sims, err := openSimulators(dir)
			if err != nil {
				return err
			}
			defer sims.close()
			if err := sims.start(cmd.Context()); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "Simulators are running:\n%s\nStop them with Ctrl-C.\n", sims.addresses())
			sims.resubmit(cmd.Context())
			<-cmd.Context().Done()
			return nil
		},
	}
	cmd.Flags().StringVar(&dir, "dir", ".", "the folder of the configuration; ledgers go in its simulators/")
	return cmd
}

// simulators are a whole municipality's surroundings, and a bit of another's.
type simulators struct {
	dir      string
	settings *config.Settings
	base     int // the port of the public API; theirs follow ten above
	platform *oepsim.Sim
	navet    *navetsim.Sim
	diaria   map[string]*sifsim.Sim // by the municipality's folder
	bygg     *filedropsim.Sim
	lon      *paxmlsim.Sim  // Karlstad's payroll system
	edlevo   *edlevosim.Sim // Eslöv's school system
	post     *mailsim.Sim
	messages *messagingsim.Sim
	website  *webhooksim.Sim // Eslöv's own, which hears how its forms are getting on
	eid      *eidsim.Provider
	exercise *exercisesim.Sim // a made-up system that nothing shipped is connected to: the guide's first integration is

	servers []*http.Server
	mailbox net.Listener
	running sync.WaitGroup
	stop    context.CancelFunc
}

// Where the simulators listen, counted from the port of the public API.
const (
	platformPort      = 11
	navetPort         = 12
	karlskronaDiarium = 13
	eslovDiarium      = 14
	postPort          = 15
	messagesPort      = 16
	eidPort           = 17
	websitePort       = 18
	edlevoPort        = 19
	karlstadDiarium   = 20
	exercisePort      = 21
)

// pace is how fast the simulated diaria handle their cases.
var pace = []time.Duration{2 * time.Second, 5 * time.Second, 9 * time.Second}

// openSimulators opens what the ledgers in dir remember.
func openSimulators(dir string) (*simulators, error) {
	settings, err := config.ReadSettings(dir, config.Environment(os.Environ())...)
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(settings.Listen)
	base, _ := strconv.Atoi(port)
	s := &simulators{dir: dir, settings: settings, base: base, diaria: map[string]*sifsim.Sim{}}
	return s, s.open()
}

func (s *simulators) open() (err error) {
	ledger := func(name string) string { return filepath.Join(s.dir, "simulators", name) }
	secret := func(name string) string {
		text, _ := os.ReadFile(filepath.Join(s.dir, "secrets", name))
		return strings.TrimSpace(string(text))
	}
	s.platform, err = oepsim.New(oepsim.Options{
		Dir: ledger("oep"), Clock: time.Now, User: "knutpunkt", Password: secret("oep-password"),
	})
	if err != nil {
		return err
	}
	if s.navet, err = navetsim.New(navetsim.Options{Dir: ledger("navet"), Clock: time.Now}); err != nil {
		return err
	}
	for folder, d := range map[string]struct{ prefix, key string }{
		"karlskrona": {"SBN", "diarium-authkey"}, "eslov": {"KUN", "eslov-diarium-authkey"},
		"karlstad": {"KLK", "karlstad-diarium-authkey"},
	} {
		if s.diaria[folder], err = sifsim.New(sifsim.Options{
			Dir: ledger(folder + "-diarium"), Clock: time.Now, AuthKey: secret(d.key), Prefix: d.prefix, Pace: pace,
		}); err != nil {
			return err
		}
	}
	if err := s.openWayBack(ledger, secret); err != nil {
		return err
	}
	return s.openReaders(ledger, secret)
}

// openReaders opens those that hold what they get against a schema of their own.
func (s *simulators) openReaders(ledger, secret func(string) string) error {
	schema := func(name string) document.Validator {
		v, err := document.CompileXSD(knutpunkt.Files, "schemas/"+name)
		if err != nil {
			panic("a shipped schema does not compile: " + err.Error())
		}
		return v
	}
	folder := func(name, part string) string { return filepath.Join(s.dir, "data", name, part) }
	var err error
	s.bygg, err = filedropsim.New(filedropsim.Options{
		Dir: ledger("bygg"), Folder: folder("bygg", "in"), Done: folder("bygg", "done"), Refused: folder("bygg", "refused"),
		Schema: schema("bygg/ansokan-1.0.xsd"), Clock: time.Now,
	})
	if err != nil {
		return err
	}
	s.lon, err = paxmlsim.New(paxmlsim.Options{
		Dir: ledger("lon"), Folder: folder("lon", "in"), Done: folder("lon", "done"), Refused: folder("lon", "refused"),
		Schema: schema("paxml/paxml-2.0.xsd"), Clock: time.Now,
	})
	if err != nil {
		return err
	}
	s.edlevo, err = edlevosim.New(edlevosim.Options{
		Dir: ledger("edlevo"), Clock: time.Now, License: secret("edlevo-licens"), Schema: schema("edlevo/schoolsearch-4.xsd"), Pace: pace,
		Guardians: guardians(),
	})
	if err != nil {
		return err
	}
	s.exercise, err = exercisesim.New(exercisesim.Options{
		Dir: ledger("felanmalan"), Clock: time.Now, Token: secret("felanmalan"), Pace: pace[:2],
	})
	return err
}

// guardians are those of each child whom the simulated Navet knows, by their numbers.
func guardians() map[string][]string {
	all := map[string][]string{}
	for _, p := range navetsim.Persons() {
		if len(p.Guardians) > 0 {
			all[p.ID] = p.Guardians
		}
	}
	return all
}

// openWayBack opens those by whom citizens and others hear of their cases.
func (s *simulators) openWayBack(ledger, secret func(string) string) (err error) {
	if s.post, err = mailsim.New(mailsim.Options{Dir: ledger("post"), Clock: time.Now}); err != nil {
		return err
	}
	s.messages, err = messagingsim.New(messagingsim.Options{
		Dir: ledger("meddelanden"), Clock: time.Now, Client: "knutpunkt", Secret: secret("meddelanden"),
	})
	if err != nil {
		return err
	}
	s.website, err = webhooksim.New(webhooksim.Options{
		Dir: ledger("hemsidan"), Clock: time.Now, Secrets: []string{secret("hemsidans-besked")},
	})
	if err != nil {
		return err
	}
	pages := "http://" + s.settings.Listen
	s.eid, err = eidsim.New(eidsim.Options{
		Issuer: "http://" + s.address(eidPort), Client: "knutpunkt", Secret: hub.NewSecret(secret("login")),
		Back: []string{pages + "/login/done"}, Ended: []string{pages + "/logout"}, Persons: citizens(), Clock: time.Now,
	})
	return err
}

// A standIn is a simulator that listens.
type standIn struct {
	name    string // for people
	port    int    // above that of the public API
	handler http.Handler
	scheme  string
}

// standIns are those that listen for HTTP, in the order that they are told of.
func (s *simulators) standIns() []standIn {
	return []standIn{
		{"form platform", platformPort, s.platform, "http"},
		{"Navet", navetPort, s.navet, "https"},
		{"diarium in Karlskrona", karlskronaDiarium, s.diaria["karlskrona"], "http"},
		{"diarium in Eslöv", eslovDiarium, s.diaria["eslov"], "http"},
		{"diarium in Karlstad", karlstadDiarium, s.diaria["karlstad"], "http"},
		{"school system", edlevoPort, s.edlevo, "http"},
		{"messaging system", messagesPort, s.messages, "http"},
		{"e-ID", eidPort, s.eid, "http"},
		{"website of Eslöv", websitePort, s.website, "http"},
		{"exercise system", exercisePort, s.exercise, "http"},
	}
}

// start listens, until close.
func (s *simulators) start(ctx context.Context) error {
	ctx, s.stop = context.WithCancel(ctx)
	tlsConfig, err := navetsim.TLS(filepath.Join(s.dir, "secrets"))
	if err != nil {
		return err
	}
	for _, sim := range s.standIns() {
		l, err := s.listen(sim.name, sim.port)
		if err != nil {
			return err
		}
		if sim.scheme == "https" {
			l = tls.NewListener(l, tlsConfig)
		}
		server := &http.Server{Handler: sim.handler, ReadHeaderTimeout: 5 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
		s.servers = append(s.servers, server)
		s.running.Go(func() { server.Serve(l) })
	}
	if s.mailbox, err = s.listen(mailServer, postPort); err != nil {
		return err
	}
	s.running.Go(func() { s.post.Listen(s.mailbox) })
	s.running.Go(func() { s.empty(ctx) })
	return nil
}

// mailServer is what the one that speaks SMTP is called.
const mailServer = "mail server"

func (s *simulators) listen(name string, port int) (net.Listener, error) {
	l, err := net.Listen("tcp", s.address(port))
	if err != nil {
		return nil, fmt.Errorf("the simulated %s cannot listen on %s: something else does; try --port", name, s.address(port))
	}
	return l, nil
}

// empty has those read their folders who do, now and then.
func (s *simulators) empty(ctx context.Context) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		s.readFolders()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// readFolders has those who take files from a folder take what lies there.
func (s *simulators) readFolders() error {
	_, built := s.bygg.Step()
	_, paid := s.lon.Step()
	return errors.Join(built, paid)
}

// resubmit posts again what no hub has answered for, as a platform does when it
// starts.
func (s *simulators) resubmit(ctx context.Context) {
	for _, f := range s.platform.Unanswered() {
		s.submit(ctx, f)
	}
}

// submit posts one form to the hub, until it has answered for it.
func (s *simulators) submit(ctx context.Context, f oepsim.Form) (id string, err error) {
	token, err := os.ReadFile(filepath.Join(s.dir, "secrets", "oep-client"))
	if err != nil {
		return "", err
	}
	url := "http://" + s.settings.Listen + "/v1/sources/oep"
	return s.platform.Submit(ctx, http.DefaultClient, url, strings.TrimSpace(string(token)), f)
}

func (s *simulators) address(above int) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.base+above))
}

// addresses lists where everything is to be found, a line each.
func (s *simulators) addresses() string {
	var lines strings.Builder
	for _, sim := range s.standIns() {
		fmt.Fprintf(&lines, "  %-22s %s://%s\n", sim.name, sim.scheme, s.address(sim.port))
	}
	fmt.Fprintf(&lines, "  %-22s smtp://%s\n", mailServer, s.address(postPort))
	fmt.Fprintf(&lines, "  %-22s %s\n", "building system", filepath.Join(s.dir, "data", "bygg", "in"))
	fmt.Fprintf(&lines, "  %-22s %s\n", "payroll system", filepath.Join(s.dir, "data", "lon", "in"))
	return lines.String()
}

func (s *simulators) close() {
	if s.stop != nil {
		s.stop()
	}
	for _, server := range s.servers {
		server.Close()
	}
	s.platform.Close()
	if s.mailbox != nil {
		s.mailbox.Close()
	}
	s.running.Wait()
	s.post.Close()
	s.messages.Close()
	s.website.Close()
	s.exercise.Close()
	s.navet.Close()
	for _, d := range s.diaria {
		d.Close()
	}
	s.bygg.Close()
	s.lon.Close()
	s.edlevo.Close()
}

// makeSecrets makes the secrets and keys that the shipped configuration refers to,
// where they are not there yet.
func makeSecrets(dir string) error {
	folder := filepath.Join(dir, "secrets")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	for _, name := range []string{
		"oep-client", "hemsidan-client", "mina-arenden-client", "oep-password", "diarium-authkey", "eslov-diarium-authkey",
		"karlstad-diarium-authkey", "intranat-client", "edlevo-licens",
		"meddelanden", "login", "felanmalan", "registrator", "gruppledare",
	} {
		if err := writeOnce(filepath.Join(folder, name), rand.Text()); err != nil {
			return err
		}
	}
	key := make([]byte, 32)
	rand.Read(key)
	if err := writeOnce(filepath.Join(folder, "hemsidans-besked"), "whsec_"+base64.StdEncoding.EncodeToString(key)); err != nil {
		return err
	}
	if _, err := navetsim.TLS(folder); err != nil {
		return err
	}
	settings, err := config.ReadSettings(dir)
	if err != nil {
		return err
	}
	if _, err := os.Stat(settings.Keys); err == nil {
		return nil
	}
	codes, err := municipalities(dir)
	if err != nil {
		return err
	}
	return seal.Init(settings.Keys, codes...)
}

// writeOnce writes a secret, unless there is one.
func writeOnce(path, text string) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return os.WriteFile(path, []byte(text+"\n"), 0o600)
}
