package deploy

import (
	"bytes"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/knutpunkt/knutpunkt/hub/enginetest"
)

// A composition is a Compose file, as far as the tests ask about it.
type composition struct {
	Services map[string]service
	Secrets  map[string]struct{ File string }
	Volumes  map[string]any
	Networks map[string]struct {
		Internal bool
		IPAM     struct {
			Config []struct{ Subnet, Gateway string }
		}
	}
}

type service struct {
	Image           string
	Build           *struct{ Context, Dockerfile string }
	Environment     map[string]any
	Ports           []string
	Volumes         []string
	Secrets         []string
	Networks        any // a list, or a table with aliases
	Command         []string
	User            string
	ReadOnly        bool     `json:"read_only"`
	CapDrop         []string `json:"cap_drop"`
	SecurityOpt     []string `json:"security_opt"`
	StopGracePeriod string   `json:"stop_grace_period"`
	Restart         string
}

func (s service) networks() (names []string) {
	switch on := s.Networks.(type) {
	case []any:
		for _, name := range on {
			names = append(names, text(name))
		}
	case map[string]any:
		names = slices.Sorted(maps.Keys(on))
	}
	return names
}

func compose(t testing.TB, name string) composition {
	t.Helper()
	return as[composition](t, documents(t, filepath.Join("compose", name))[0])
}

var composeFiles = []string{"one-machine.yaml", "replicas.yaml"}

// TestComposeFitsItsSpecification holds the files against the schema that the Compose specification publishes, as
// its own library brings it.
func TestComposeFitsItsSpecification(t *testing.T) {
	text := fromModule(t, "github.com/compose-spec/compose-go/v2@v2.16.2", "schema/compose-spec.json")
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("compose-spec.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("compose-spec.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range composeFiles {
		fits(t, schema, name, documents(t, filepath.Join("compose", name))[0])
	}
}

// TestComposeHangsTogether looks for what a service uses and nobody has, and the other way around.
func TestComposeHangsTogether(t *testing.T) {
	for _, name := range composeFiles {
		c := compose(t, name)
		used := map[string]bool{}
		for at, s := range c.Services {
			for _, secret := range s.Secrets {
				used["secret "+secret] = true
			}
			for _, network := range s.networks() {
				used["network "+network] = true
			}
			for _, volume := range s.Volumes {
				from, _, _ := strings.Cut(volume, ":")
				if !strings.HasPrefix(from, ".") {
					used["volume "+from] = true
				} else if _, err := os.Stat(filepath.Join("compose", from)); err != nil {
					t.Errorf("%s: %s mounts %s, which is not there", name, at, from)
				}
			}
		}
		has := map[string]bool{}
		for secret := range c.Secrets {
			has["secret "+secret] = true
		}
		for network := range c.Networks {
			has["network "+network] = true
		}
		for volume := range c.Volumes {
			has["volume "+volume] = true
		}
		if !maps.Equal(used, has) {
			t.Errorf("%s uses %v and has %v", name, slices.Sorted(maps.Keys(used)), slices.Sorted(maps.Keys(has)))
		}
	}
}

// pinned is an image of one version. What we build ourselves is named by our own release.
var pinned = regexp.MustCompile(`^[a-z./-]+:(\d+\.\d+[\w.-]*|\$\{KNUTPUNKT_RELEASE:-development\})$`)

func TestEveryImageHasAVersion(t *testing.T) {
	for _, name := range composeFiles {
		for at, s := range compose(t, name).Services {
			if !pinned.MatchString(s.Image) {
				t.Errorf("%s: %s runs %s", name, at, s.Image)
			}
			if version, isKafka := strings.CutPrefix(s.Image, "apache/kafka:"); isKafka && version != enginetest.KafkaVersion {
				t.Errorf("%s: %s runs Kafka %s, and the tests run %s", name, at, version, enginetest.KafkaVersion)
			}
		}
	}
	for _, stage := range only(dockerfile(t), "FROM") {
		image, _, _ := strings.Cut(stage, " ")
		if image != "scratch" && !pinned.MatchString(image) {
			t.Errorf("the Dockerfile builds on %s", image)
		}
	}
	if image := deployment(t).container().Image; !pinned.MatchString(image) {
		t.Errorf("the Deployment runs %s", image)
	}
}

// hubs are the services that run Knutpunkt.
func (c composition) hubs() map[string]service {
	hubs := map[string]service{}
	for name, s := range c.Services {
		if strings.HasPrefix(s.Image, "knutpunkt:") {
			hubs[name] = s
		}
	}
	return hubs
}

// TestHubsCanDoNoMoreThanTheyMust looks at how Knutpunkt is shut in, on Docker.
func TestHubsCanDoNoMoreThanTheyMust(t *testing.T) {
	for name, want := range map[string]int{"one-machine.yaml": 1, "replicas.yaml": 3} {
		hubs := compose(t, name).hubs()
		if len(hubs) != want {
			t.Errorf("%s has %d hubs, not %d", name, len(hubs), want)
		}
		for at, s := range hubs {
			if !s.ReadOnly || s.User != "65532:65532" || !slices.Equal(s.CapDrop, []string{"ALL"}) ||
				!slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
				t.Errorf("%s: %s could do more than it must: %+v", name, at, s)
			}
			if s.StopGracePeriod != "40s" || s.Restart != "unless-stopped" {
				t.Errorf("%s: %s is not given 30 s and a little to stop, or not started again", name, at)
			}
		}
	}
}

// TestOperatorsPortIsForThisMachine looks at what is published: the console and the metrics ask nobody who they are.
func TestOperatorsPortIsForThisMachine(t *testing.T) {
	for _, name := range composeFiles {
		c := compose(t, name)
		open := 0
		for at, s := range c.Services {
			for _, port := range s.Ports {
				if strings.HasSuffix(port, ":8701") && port != "127.0.0.1:8701:8701" {
					t.Errorf("%s: %s publishes %s", name, at, port)
				}
				if !strings.HasPrefix(port, "127.0.0.1:") {
					open++
					if at != "balancer" || port != "443:8443" {
						t.Errorf("%s: %s publishes %s to everybody", name, at, port)
					}
				}
			}
		}
		if name == "replicas.yaml" && (open != 1 || !c.Networks["back"].Internal) {
			t.Error("the database and the brokers can be reached, or the balancer cannot")
		}
	}
}

// TestProxiesAreTheBalancers holds whose word on who calls is believed against the network that they are on.
func TestProxiesAreTheBalancers(t *testing.T) {
	for _, name := range composeFiles {
		c := compose(t, name)
		on := c.Networks["front"].IPAM.Config[0]
		want := on.Subnet
		if name == "one-machine.yaml" {
			want = on.Gateway // Docker's own, by which this machine comes
		}
		for at, s := range c.hubs() {
			if got := s.Environment["KNUTPUNKT_PROXIES"]; got != want {
				t.Errorf("%s: %s believes %v, and who may come is %s", name, at, got, want)
			}
		}
		if network := netip.MustParsePrefix(on.Subnet); !network.Addr().IsPrivate() {
			t.Errorf("%s: %s is not a network of one's own", name, network)
		}
	}
}

// TestNothingIsLostOnOneDisk looks for what 202 rests on in the database and the brokers.
func TestNothingIsLostOnOneDisk(t *testing.T) {
	c := compose(t, "replicas.yaml")
	for _, want := range []string{"-cfsync=on", "-csynchronous_commit=on", "-cfull_page_writes=on"} {
		if !slices.Contains(c.Services["postgres"].Command, want) {
			t.Errorf("PostgreSQL is not told %s", want)
		}
	}
	brokers := 0
	for at, s := range c.Services {
		if !strings.HasPrefix(s.Image, "apache/kafka:") {
			continue
		}
		brokers++
		for name, want := range map[string]string{
			"KAFKA_PROCESS_ROLES": "broker,controller", "KAFKA_DEFAULT_REPLICATION_FACTOR": "3", "KAFKA_MIN_INSYNC_REPLICAS": "2",
			"KAFKA_UNCLEAN_LEADER_ELECTION_ENABLE": "false", "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "3",
			"KAFKA_ADVERTISED_LISTENERS": "INTERNAL://" + at + ":9092",
		} {
			if got := text(s.Environment[name]); got != want {
				t.Errorf("%s: %s is %s, not %s", at, name, got, want)
			}
		}
		voters := strings.Split(text(s.Environment["KAFKA_CONTROLLER_QUORUM_VOTERS"]), ",")
		if !slices.Contains(voters, text(s.Environment["KAFKA_NODE_ID"])+"@"+at+":9093") {
			t.Errorf("%s is no voter", at)
		}
	}
	if brokers != 3 {
		t.Errorf("there are %d brokers", brokers)
	}
}
