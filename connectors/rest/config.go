package rest

import (
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/declared"
	"github.com/knutpunkt/knutpunkt/hub"
)

// Config is what systems.yaml says about one system.
type Config struct {
	URL           string                `yaml:"url" doc:"where the interface begins; every path is added to it"`
	Format        string                `yaml:"format,omitempty" doc:"what the system answers in: json (when left out) or xml"`
	Token         hub.Secret            `yaml:"token,omitempty" doc:"a fixed token, said as Authorization: Bearer …"`
	User          string                `yaml:"user,omitempty" doc:"the hub's account (HTTP Basic)"`
	Secret        hub.Secret            `yaml:"secret,omitempty" doc:"the password of that account"`
	OAuth2        declared.OAuth2       `yaml:"oauth2,omitempty" doc:"client credentials by OAuth 2"`
	Headers       map[string]string     `yaml:"headers,omitempty" doc:"what is said at every call, as it stands"`
	SecretHeaders map[string]hub.Secret `yaml:"secret-headers,omitempty" doc:"the same for secrets, such as an API key"`
	Operations    map[string]Operation  `yaml:"operations,omitempty" doc:"what mappings can have done, by name"`
	Changes       Changes               `yaml:"changes,omitempty" doc:"where the system tells what has happened to its cases"`
	Status        Status                `yaml:"status,omitempty" doc:"where it tells how one case is getting on, when it has no changes"`
}

// An Operation is one thing that a mapping can have done.
type Operation struct {
	Method    string            `yaml:"method,omitempty" doc:"POST (when left out), PUT or PATCH"`
	Path      string            `yaml:"path" doc:"where the document goes"`
	Level     hub.Level         `yaml:"level,omitempty" doc:"blind (when left out), lookup or idempotent: above blind only when certified against the vendor's test system"`
	Lag       time.Duration     `yaml:"lag,omitempty" doc:"how long what was made may be invisible to find; 2s when left out and the level is lookup"`
	Protected bool              `yaml:"protected,omitempty" doc:"yes: the document can carry a mark of protected identity"`
	Key       declared.KeyPlace `yaml:"key,omitempty" doc:"where the delivery's Key is"`
	Receipt   declared.Receipt  `yaml:"receipt" doc:"where the receipt stands in the answer"`
	Result    declared.Result   `yaml:"result,omitempty" doc:"a code in the answer that says how it went, where the status does not"`
	Errors    map[string]string `yaml:"errors,omitempty" doc:"what a status (409, 5xx) means, where it is not what it usually means"`
	Find      Find              `yaml:"find,omitempty" doc:"how to ask whether a Key is there"`
	Files     Files             `yaml:"files,omitempty" doc:"how the files follow; without it the document goes alone"`
}

// A Find says how a system is asked whether it has a Key.
type Find struct {
	Path     string          `yaml:"path" doc:"where it is asked"`
	List     string          `yaml:"list,omitempty" doc:"where the hits stand; left out: the answer is the case itself"`
	Number   string          `yaml:"number" doc:"of a hit: what people call the case"`
	Ref      string          `yaml:"ref,omitempty" doc:"of a hit: what the system calls it; the number when left out"`
	Echo     string          `yaml:"echo" doc:"of a hit: its Key"`
	At       string          `yaml:"at,omitempty" doc:"of a hit: the system's time of it; ours when left out"`
	NotFound int             `yaml:"not-found,omitempty" doc:"the status that says that there is none; 404 when there is no list"`
	Among    bool            `yaml:"among,omitempty" doc:"yes: others' cases may stand in the list, which then must be all of it"`
	Result   declared.Result `yaml:"result,omitempty" doc:"a code in the answer that says how it went"`
}

// Files say how the files of a delivery follow its document, one by one.
type Files struct {
	Method      string            `yaml:"method,omitempty" doc:"PUT (when left out) or POST"`
	Path        string            `yaml:"path" doc:"where a file goes"`
	As          string            `yaml:"as,omitempty" doc:"body (when left out) or multipart"`
	Field       string            `yaml:"field,omitempty" doc:"of a form: what the file is called there; file when left out"`
	Fields      map[string]string `yaml:"fields,omitempty" doc:"of a form: more fields"`
	SHA256      string            `yaml:"sha256,omitempty" doc:"the header that carries the file's SHA-256"`
	Disposition bool              `yaml:"disposition,omitempty" doc:"yes: the file's name is said in Content-Disposition"`
	Ref         string            `yaml:"ref,omitempty" doc:"in the answer: what the system calls the file"`
	Result      declared.Result   `yaml:"result,omitempty" doc:"a code in the answer that says how it went"`
	Find        FindFiles         `yaml:"find,omitempty" doc:"how to list what is there"`
}

// FindFiles say how the files that a system has of a case are listed.
type FindFiles struct {
	Path   string          `yaml:"path" doc:"where they are listed"`
	List   string          `yaml:"list" doc:"where they stand in the answer"`
	N      string          `yaml:"n,omitempty" doc:"of a file: its number in the delivery, from 1"`
	SHA256 string          `yaml:"sha256,omitempty" doc:"of a file: its SHA-256, hexadecimal"`
	Name   string          `yaml:"name,omitempty" doc:"of a file: the name that the hub gave it"`
	Ref    string          `yaml:"ref,omitempty" doc:"of a file: what the system calls it"`
	Result declared.Result `yaml:"result,omitempty" doc:"a code in the answer that says how it went"`
}

// Changes say where a system tells what has happened to its cases.
type Changes struct {
	Path       string          `yaml:"path" doc:"where they are asked for, with {cursor}"`
	List       string          `yaml:"list" doc:"where they stand in the answer"`
	Next       string          `yaml:"next,omitempty" doc:"where the answer says the next cursor; left out: the cursor is the latest at"`
	Overlap    time.Duration   `yaml:"overlap,omitempty" doc:"how far each question reaches back into the one before, where there is no next; 1m when left out"`
	First      string          `yaml:"first,omitempty" doc:"what {cursor} is at the very beginning, where there is next; empty when left out"`
	ID         string          `yaml:"id,omitempty" doc:"of a change: unique within the system; made of its case, word and time when left out"`
	Ref        string          `yaml:"ref,omitempty" doc:"of a change: what the system calls the case"`
	Key        string          `yaml:"key,omitempty" doc:"of a change: our Key for the case"`
	Word       string          `yaml:"word" doc:"of a change: the system's own word"`
	At         string          `yaml:"at" doc:"of a change: when"`
	Correction string          `yaml:"correction,omitempty" doc:"of a change: true allows a step backwards"`
	Result     declared.Result `yaml:"result,omitempty" doc:"a code in the answer that says how it went"`
}

// Status says where a system tells how one case is getting on.
type Status struct {
	Path       string          `yaml:"path" doc:"where it is asked, with {ref}, {number} or {key}"`
	List       string          `yaml:"list,omitempty" doc:"where all that has happened to the case stands; left out: the answer is the case itself"`
	ID         string          `yaml:"id,omitempty" doc:"unique within the case; made of word and time when left out"`
	Word       string          `yaml:"word" doc:"the system's own word; several paths with + between make one"`
	At         string          `yaml:"at,omitempty" doc:"when; the time of the question when left out"`
	Correction string          `yaml:"correction,omitempty" doc:"true in it allows a step backwards"`
	NotFound   int             `yaml:"not-found,omitempty" doc:"the status that says that the case is no longer there; 404 when left out"`
	Result     declared.Result `yaml:"result,omitempty" doc:"a code in the answer that says how it went"`
}
