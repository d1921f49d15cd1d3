package deploy

import (
	"archive/zip"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// kubernetesVersion is the release of Kubernetes whose schemas the manifests are held against, as the Python package
// kubernetes-validate brings them.
const kubernetesVersion = "1.37.0"

// kubernetesSchemas gives the wheel that has them.
func kubernetesSchemas(t testing.TB) *zip.ReadCloser {
	t.Helper()
	name := "kubernetes-validate-" + kubernetesVersion
	folder := inCache(t, name, func(folder string) error {
		said, err := run(t, "python3", "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--dest", folder,
			"kubernetes-validate=="+kubernetesVersion)
		if err != nil {
			return fmt.Errorf("%w: %s", err, said)
		}
		return nil
	})
	wheels, _ := filepath.Glob(filepath.Join(folder, "*.whl"))
	if len(wheels) != 1 {
		t.Fatalf("%s has %v", folder, wheels)
	}
	wheel, err := zip.OpenReader(wheels[0])
	if err != nil {
		t.Fatal(err)
	}
	return wheel
}

// A folderOf reads schemas that refer to each other by their names, from one folder.
type folderOf struct {
	fs.FS
	at string
}

func (f folderOf) Load(url string) (any, error) {
	file, err := f.Open(f.at + "/" + url[strings.LastIndex(url, "/")+1:])
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return jsonschema.UnmarshalJSON(file)
}

// TestManifestsFitKubernetes holds each object against the schema of its kind, strictly: what Kubernetes does not know
// is a mistake.
func TestManifestsFitKubernetes(t *testing.T) {
	schemas := kubernetesSchemas(t)
	defer schemas.Close()
	c := jsonschema.NewCompiler()
	c.UseLoader(folderOf{schemas, "kubernetes_validate/kubernetes-json-schema/v" + kubernetesVersion + "-local-strict"})
	for path, objects := range manifests(t) {
		for _, o := range objects {
			version := strings.ReplaceAll(text(o["apiVersion"]), ".k8s.io", "")
			kind := strings.ToLower(text(o["kind"]))
			schema, err := c.Compile("https://schemas.invalid/" + kind + "-" + strings.ReplaceAll(version, "/", "-") + ".json")
			if err != nil {
				t.Errorf("%s: %v", path, err)
				continue
			}
			fits(t, schema, path+": "+kind, o)
		}
	}
}

// manifests gives the objects in each file of kubernetes/.
func manifests(t testing.TB) map[string][]map[string]any {
	t.Helper()
	files, err := filepath.Glob("kubernetes/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("there are none", err)
	}
	all := map[string][]map[string]any{}
	for _, path := range files {
		if filepath.Base(path) != "kustomization.yaml" {
			all[path] = documents(t, path)
		}
	}
	return all
}

// A kustomization is what it takes to put manifests together.
type kustomization struct {
	APIVersion         string `json:"apiVersion"`
	Kind               string
	Namespace          string
	Resources          []string
	ConfigMapGenerator []struct {
		Name  string
		Files []string
	} `json:"configMapGenerator"`
}

// TestKustomizationLeavesNothingOut looks for every manifest but the Secret, which is never kept beside them.
func TestKustomizationLeavesNothingOut(t *testing.T) {
	want := []string{"../configuration"}
	for path := range manifests(t) {
		if name := filepath.Base(path); name != "secrets.example.yaml" {
			want = append(want, name)
		}
	}
	slices.Sort(want)
	if got := slices.Sorted(slices.Values(shaped[kustomization](t, "kubernetes/kustomization.yaml").Resources)); !slices.Equal(got, want) {
		t.Errorf("it puts together %v, and there are %v", got, want)
	}
}

// TestTheConfigurationGoesInAndComesOutAgain follows each file of the configuration through the ConfigMap's keys,
// which cannot have a / in them, to where the Deployment mounts it.
func TestTheConfigurationGoesInAndComesOutAgain(t *testing.T) {
	k := shaped[kustomization](t, "configuration/kustomization.yaml")
	in := map[string]string{} // key: path
	for _, file := range k.ConfigMapGenerator[0].Files {
		key, path, named := strings.Cut(file, "=")
		if !named {
			path = key
		}
		in[key] = path
	}
	out := map[string]string{}
	for _, item := range deployment(t).volume("configuration").ConfigMap.Items {
		out[item.Key] = item.Path
	}
	if !maps.Equal(in, out) {
		t.Errorf("in go %v, and out come %v", in, out)
	}
	var there []string
	fs.WalkDir(os.DirFS("configuration"), ".", func(path string, entry fs.DirEntry, _ error) error {
		if !entry.IsDir() && path != "kustomization.yaml" {
			there = append(there, path)
		}
		return nil
	})
	if given := slices.Sorted(maps.Values(in)); !slices.Equal(given, there) {
		t.Errorf("the ConfigMap is given %v, and there are %v", given, there)
	}
}

// A workload is a Deployment, as far as the tests ask about it.
type workload struct {
	Spec struct {
		Replicas int
		Selector struct{ MatchLabels map[string]string }
		Strategy struct {
			RollingUpdate struct{ MaxUnavailable, MaxSurge int }
		}
		Template struct {
			Metadata struct{ Labels map[string]string }
			Spec     pod
		}
	}
}

type pod struct {
	EnableServiceLinks            *bool
	TerminationGracePeriodSeconds int
	SecurityContext               struct {
		RunAsNonRoot                   bool
		RunAsUser, RunAsGroup, FSGroup int
		SeccompProfile                 struct{ Type string }
	}
	TopologySpreadConstraints []struct{ TopologyKey string }
	Containers                []container
	Volumes                   []volume
}

type container struct {
	Image string
	Args  []string
	Ports []struct {
		Name          string
		ContainerPort int
	}
	StartupProbe, ReadinessProbe, LivenessProbe struct {
		HTTPGet                         struct{ Path, Port string }
		PeriodSeconds, FailureThreshold int
	}
	Lifecycle struct {
		PreStop struct{ Sleep struct{ Seconds int } }
	}
	Resources       struct{ Requests, Limits map[string]string }
	SecurityContext struct {
		AllowPrivilegeEscalation *bool
		ReadOnlyRootFilesystem   bool
		Capabilities             struct{ Drop []string }
	}
	VolumeMounts []struct{ Name, MountPath string }
}

type volume struct {
	Name      string
	ConfigMap struct {
		Name  string
		Items []struct{ Key, Path string }
	}
	Secret struct {
		SecretName  string
		DefaultMode any
	}
}

func deployment(t testing.TB) workload {
	t.Helper()
	return as[workload](t, documents(t, "kubernetes/deployment.yaml")[0])
}

func (w workload) container() container { return w.Spec.Template.Spec.Containers[0] }

func (w workload) volume(name string) volume {
	all := w.Spec.Template.Spec.Volumes
	return all[slices.IndexFunc(all, func(v volume) bool { return v.Name == name })]
}

// TestPodsCanDoNoMoreThanTheyMust looks at how Knutpunkt is shut in, in Kubernetes.
func TestPodsCanDoNoMoreThanTheyMust(t *testing.T) {
	p, c := deployment(t).Spec.Template.Spec, deployment(t).container()
	s := p.SecurityContext
	if !s.RunAsNonRoot || s.RunAsUser != 65532 || s.RunAsGroup != 65532 || s.FSGroup != 65532 || s.SeccompProfile.Type != "RuntimeDefault" {
		t.Errorf("the pod: %+v", s)
	}
	cs := c.SecurityContext
	mayRise := cs.AllowPrivilegeEscalation == nil || *cs.AllowPrivilegeEscalation
	if !cs.ReadOnlyRootFilesystem || mayRise || !slices.Equal(cs.Capabilities.Drop, []string{"ALL"}) {
		t.Errorf("the container: %+v", cs)
	}
	if p.EnableServiceLinks == nil || *p.EnableServiceLinks {
		t.Error("a Service called knutpunkt would write KNUTPUNKT_* of its own")
	}
	if c.Resources.Requests["cpu"] == "" || c.Resources.Requests["memory"] == "" || c.Resources.Limits["memory"] == "" {
		t.Errorf("what it may use is not said: %+v", c.Resources)
	}
	if len(p.TopologySpreadConstraints) != 2 {
		t.Error("all replicas could stand on one node")
	}
}

// TestAStopHasTime holds the times of a stop against each other: what serve takes at the most, and the time before it
// is told.
func TestAStopHasTime(t *testing.T) {
	const patience = 30 // seconds, of verbs.serve
	if !strings.Contains(read(t, "../cmd/knutpunkt/verbs/serve.go"), fmt.Sprintf("const patience = %d * time.Second", patience)) {
		t.Fatal("serve takes another time to stop than is thought here")
	}
	p, c := deployment(t).Spec.Template.Spec, deployment(t).container()
	before := c.Lifecycle.PreStop.Sleep.Seconds
	if before == 0 || p.TerminationGracePeriodSeconds < before+patience+5 {
		t.Errorf("a pod has %d s, of which %d pass before it is told", p.TerminationGracePeriodSeconds, before)
	}
	if u := deployment(t).Spec.Strategy.RollingUpdate; u.MaxUnavailable != 0 || u.MaxSurge != 1 {
		t.Errorf("a new release takes replicas away before others are there: %+v", u)
	}
}

// TestProbesAskWhatTheyMean: a database that is away takes a replica out of turn and starts nothing again.
func TestProbesAskWhatTheyMean(t *testing.T) {
	c := deployment(t).container()
	for name, probe := range map[string]struct{ Path, Port, want string }{
		"startup":   {c.StartupProbe.HTTPGet.Path, c.StartupProbe.HTTPGet.Port, "/healthz"},
		"readiness": {c.ReadinessProbe.HTTPGet.Path, c.ReadinessProbe.HTTPGet.Port, "/readyz"},
		"liveness":  {c.LivenessProbe.HTTPGet.Path, c.LivenessProbe.HTTPGet.Port, "/healthz"},
	} {
		if probe.Path != probe.want || probe.Port != "operator" {
			t.Errorf("the %s probe asks %s on %s", name, probe.Path, probe.Port)
		}
	}
}

// TestPortsAgree follows the two ports through all that is here.
func TestPortsAgree(t *testing.T) {
	for name, e := range environments(t) {
		if e["KNUTPUNKT_LISTEN"] != "0.0.0.0:8700" || e["KNUTPUNKT_OPERATOR"] != "0.0.0.0:8701" {
			t.Errorf("%s listens on %v and %v", name, e["KNUTPUNKT_LISTEN"], e["KNUTPUNKT_OPERATOR"])
		}
	}
	ports := map[string]int{}
	for _, p := range deployment(t).container().Ports {
		ports[p.Name] = p.ContainerPort
	}
	if !maps.Equal(ports, map[string]int{"public": 8700, "operator": 8701}) {
		t.Errorf("the Deployment names %v", ports)
	}
	type exposed struct {
		Spec struct {
			Selector map[string]string
			Ports    []struct{ TargetPort string }
		}
	}
	for i, target := range []string{"public", "operator"} {
		s := as[exposed](t, documents(t, "kubernetes/services.yaml")[i])
		if s.Spec.Ports[0].TargetPort != target || !maps.Equal(s.Spec.Selector, deployment(t).Spec.Template.Metadata.Labels) {
			t.Errorf("the Service of %s leads elsewhere: %+v", target, s)
		}
	}
}

// TestPrometheusFindsEachReplica follows the name that it asks for to the Service and to the hubs on Docker.
func TestPrometheusFindsEachReplica(t *testing.T) {
	scrape := read(t, "prometheus/prometheus.yml")
	if !strings.Contains(scrape, "names: [knutpunkt-operator]") || !strings.Contains(scrape, "port: 8701") {
		t.Error("Prometheus asks for something else")
	}
	service := as[struct {
		Metadata struct{ Name string }
		Spec     struct{ ClusterIP string }
	}](t, documents(t, "kubernetes/services.yaml")[1])
	if service.Metadata.Name != "knutpunkt-operator" || service.Spec.ClusterIP != "None" {
		t.Errorf("the name is not that of each: %+v", service)
	}
	for _, name := range composeFiles {
		for at, s := range compose(t, name).hubs() {
			on := as[map[string]struct{ Aliases []string }](t, s.Networks)
			if !slices.Contains(on["front"].Aliases, "knutpunkt-operator") {
				t.Errorf("%s: %s is not asked", name, at)
			}
		}
	}
}

// text gives a scalar as it is written.
func text(v any) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}
