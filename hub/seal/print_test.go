package seal

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// store holds keys as other packages do, where fmt cannot ask them how they print.
type store struct {
	keys  *Keys
	copy  Keys
	key   DataKey
	byRow map[string]DataKey
	any   any
}

func TestKeysPrintAsNothing(t *testing.T) {
	keys, secrets := keysAndSecrets(t)
	key := keys.NewLooseKey()
	secrets = append(secrets, key.material().secret)
	for name, v := range map[string]any{
		"Keys":                 *keys,
		"pointer to Keys":      keys,
		"DataKey":              key,
		"pointer to DataKey":   &key,
		"slice":                []DataKey{key},
		"unexported fields":    store{keys, *keys, key, map[string]DataKey{"s1": key}, key},
		"pointer to a holder":  &store{keys, *keys, key, map[string]DataKey{"s1": key}, keys},
		"exported fields":      struct{ Key, Keys any }{key, keys},
		"an embedded data key": struct{ DataKey }{key},
	} {
		t.Run(name, func(t *testing.T) {
			printed := everyPrint(v)
			if secret := leaked(printed, secrets); secret != "" {
				t.Errorf("prints a key as %s", secret)
			}
		})
	}
	if got := fmt.Sprintf("%v %+v %#v %s %d %x", key, key, key, key, keys, *keys); got !=
		"[data key] [data key] [data key] [data key] [keys] [keys]" {
		t.Errorf("prints %s", got)
	}
}

func TestTheSearchForSecretsFindsThem(t *testing.T) {
	_, secrets := keysAndSecrets(t)
	for _, secret := range secrets {
		if leaked(everyPrint(struct{ secret []byte }{secret}), secrets) == "" {
			t.Error("a struct that holds a key openly was not caught")
		}
	}
}

// keysAndSecrets opens a new key file and returns the bytes of its keys too: they end the value of
// each key in the file.
func keysAndSecrets(t *testing.T) (*Keys, [][]byte) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys.json")
	if err := Init(path, "1080"); err != nil {
		t.Fatal(err)
	}
	keys, err := Open("file:" + path)
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var secrets [][]byte
	for _, value := range regexp.MustCompile(`"value": "([^"]+)"`).FindAllSubmatch(file, -1) {
		serialized, err := base64.StdEncoding.DecodeString(string(value[1]))
		if err != nil {
			t.Fatal(err)
		}
		secrets = append(secrets, serialized[len(serialized)-32:])
	}
	if len(secrets) != 3 {
		t.Fatalf("%d keys in a key file for the index, %s and 1080", len(secrets), Unattributed)
	}
	return keys, secrets
}

func everyPrint(v any) string {
	var out bytes.Buffer
	for _, verb := range "vTtbcdoOqxXUeEfFgGspw" {
		for _, flag := range []string{"", "+", "#", " ", "-60", "#+"} {
			fmt.Fprintf(&out, "%"+flag+string(verb)+"\n", v)
		}
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("text", "v", v, slog.Group("g", "v", v))
	slog.New(slog.NewJSONHandler(&out, nil)).Info("json", "v", v, slog.Group("g", "v", v))
	encoded, err := json.Marshal(v)
	fmt.Fprintln(&out, string(encoded), err, fmt.Errorf("wrap %v: %+v", v, v))
	return out.String()
}

// leaked returns the form in which one of the secrets is in printed, or nothing. Eight bytes of it
// are enough.
func leaked(printed string, secrets [][]byte) string {
	for _, secret := range secrets {
		part := secret[:8]
		for form, text := range map[string]string{
			"raw bytes":     string(part),
			"decimals":      strings.Trim(fmt.Sprint(part), "[]"),
			"hex":           hex.EncodeToString(part),
			"upper hex":     strings.ToUpper(hex.EncodeToString(part)),
			"Go syntax":     strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", part), "[]byte{"), "}"),
			"quoted":        strings.Trim(fmt.Sprintf("%q", part), `"`),
			"base64":        base64.StdEncoding.EncodeToString(secret[:6]),
			"a native word": fmt.Sprint(binary.LittleEndian.Uint64(part)),
		} {
			if strings.Contains(printed, text) {
				return form
			}
		}
	}
	return ""
}
