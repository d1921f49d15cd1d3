package soap

import (
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/declared"
	"github.com/knutpunkt/knutpunkt/hub"
)

// Config is what systems.yaml says about one system. Only url and oauth2 are addresses that are called: the
// names that SOAP has for namespaces and actions look like addresses and lead nowhere.
type Config struct {
	URL           string                `yaml:"url" doc:"where the service is called"`
	Version       string                `yaml:"version,omitempty" doc:"of SOAP: \"1.1\" (when left out) or \"1.2\""`
	Namespaces    map[string]string     `yaml:"namespaces,omitempty" names:"yes" doc:"prefixes that requests and header may use"`
	Header        string                `yaml:"header,omitempty" names:"yes" doc:"XML for the Header of every call, with {action} and {secret.NAME}"`
	Secrets       map[string]hub.Secret `yaml:"secrets,omitempty" doc:"what {secret.NAME} in header is"`
	UsernameToken UsernameToken         `yaml:"username-token,omitempty" doc:"the hub's account by WS-Security, with the password as it is"`
	Token         hub.Secret            `yaml:"token,omitempty" doc:"a fixed token, said as Authorization: Bearer …"`
	User          string                `yaml:"user,omitempty" doc:"the hub's account (HTTP Basic)"`
	Secret        hub.Secret            `yaml:"secret,omitempty" doc:"the password of that account"`
	OAuth2        declared.OAuth2       `yaml:"oauth2,omitempty" doc:"client credentials by OAuth 2"`
	Headers       map[string]string     `yaml:"headers,omitempty" doc:"HTTP headers that are said at every call, as they stand"`
	SecretHeaders map[string]hub.Secret `yaml:"secret-headers,omitempty" doc:"the same for secrets, such as an API key"`
	Faults        map[string]string     `yaml:"faults,omitempty" doc:"what a Fault means, by the name of its detail, its subcode or its code, where it is not what it usually means"`
	Operations    map[string]Operation  `yaml:"operations,omitempty" names:"yes" doc:"what mappings can have done, by name"`
	Changes       Changes               `yaml:"changes,omitempty" names:"yes" doc:"where the system tells what has happened to its cases"`
	Status        Status                `yaml:"status,omitempty" names:"yes" doc:"where it tells how one case is getting on, when it has no changes"`
}

// A UsernameToken is an account as WS-Security has it (OASIS, Username Token Profile 1.0).
type UsernameToken struct {
	User   string     `yaml:"user" doc:"what the hub is called there"`
	Secret hub.Secret `yaml:"secret" doc:"its password"`
}

// An Operation is one thing that a mapping can have done.
type Operation struct {
	Action    string            `yaml:"action,omitempty" doc:"the soapAction of the operation; empty when left out"`
	Request   string            `yaml:"request,omitempty" doc:"XML around {document}, for a system that takes the document as a text; left out: the document is the Body"`
	Level     hub.Level         `yaml:"level,omitempty" doc:"blind (when left out), lookup or idempotent: above blind only when certified against the vendor's test system"`
	Lag       time.Duration     `yaml:"lag,omitempty" doc:"how long what was made may be invisible to find; 2s when left out and the level is lookup"`
	Protected bool              `yaml:"protected,omitempty" doc:"yes: the document can carry a mark of protected identity"`
	Key       declared.KeyPlace `yaml:"key,omitempty" doc:"where the delivery's Key is"`
	Receipt   declared.Receipt  `yaml:"receipt" doc:"where the receipt stands in the answer"`
	Result    declared.Result   `yaml:"result,omitempty" doc:"a code in the answer that says how it went, where no Fault does"`
	Faults    map[string]string `yaml:"faults,omitempty" doc:"what a Fault means at this operation"`
	Errors    map[string]string `yaml:"errors,omitempty" doc:"what a status (409, 5xx) without a Fault means, where it is not what it usually means"`
	Find      Find              `yaml:"find,omitempty" doc:"how to ask whether a Key is there"`
	Files     Files             `yaml:"files,omitempty" doc:"how the files follow; without it the document goes alone"`
}

// A Find says how a system is asked whether it has a Key.
type Find struct {
	Action   string          `yaml:"action,omitempty" doc:"the soapAction of the question"`
	Request  string          `yaml:"request" doc:"the question, as XML"`
	List     string          `yaml:"list,omitempty" doc:"where the hits stand; left out: the answer is the case itself"`
	Number   string          `yaml:"number" doc:"of a hit: what people call the case"`
	Ref      string          `yaml:"ref,omitempty" doc:"of a hit: what the system calls it; the number when left out"`
	Echo     string          `yaml:"echo" doc:"of a hit: its Key"`
	At       string          `yaml:"at,omitempty" doc:"of a hit: the system's time of it; ours when left out"`
	Among    bool            `yaml:"among,omitempty" doc:"yes: others' cases may stand in the list, which then must be all of it"`
	NotFound string          `yaml:"not-found,omitempty" doc:"the Fault that says that there is none"`
	Result   declared.Result `yaml:"result,omitempty" doc:"a code in the answer that says how it went"`
}

// Files say how the files of a delivery follow its document, one by one.
type Files struct {
	Action  string          `yaml:"action,omitempty" doc:"the soapAction of a file"`
	Request string          `yaml:"request" doc:"what is said of a file, as XML, with {content}: its bytes as base64"`
	Ref     string          `yaml:"ref,omitempty" doc:"in the answer: what the system calls the file"`
	Result  declared.Result `yaml:"result,omitempty" doc:"a code in the answer that says how it went"`
	Find    FindFiles       `yaml:"find,omitempty" doc:"how to list what is there"`
}

// FindFiles say how the files that a system has of a case are listed.
type FindFiles struct {
	Action  string          `yaml:"action,omitempty" doc:"the soapAction of the question"`
	Request string          `yaml:"request" doc:"the question, as XML"`
	List    string          `yaml:"list" doc:"where the files stand in the answer"`
	N       string          `yaml:"n,omitempty" doc:"of a file: its number in the delivery, from 1"`
	SHA256  string          `yaml:"sha256,omitempty" doc:"of a file: its SHA-256, hexadecimal"`
	Name    string          `yaml:"name,omitempty" doc:"of a file: the name that the hub gave it"`
	Ref     string          `yaml:"ref,omitempty" doc:"of a file: what the system calls it"`
	Result  declared.Result `yaml:"result,omitempty" doc:"a code in the answer that says how it went"`
}

// Changes say where a system tells what has happened to its cases.
type Changes struct {
	Action     string          `yaml:"action,omitempty" doc:"the soapAction of the question"`
	Request    string          `yaml:"request" doc:"the question, as XML, with {cursor}"`
	List       string          `yaml:"list" doc:"where they stand in the answer"`
	Next       string          `yaml:"next,omitempty" doc:"where the answer says the next cursor; left out: the cursor is the latest at"`
	First      string          `yaml:"first,omitempty" doc:"what {cursor} is at the very beginning, where there is next; empty when left out"`
	Overlap    time.Duration   `yaml:"overlap,omitempty" doc:"how far each question reaches back into the one before, where there is no next; 1m when left out"`
	ID         string          `yaml:"id,omitempty" doc:"of a change: unique within the system; made of its case, word and time when left out"`
	Ref        string          `yaml:"ref,omitempty" doc:"of a change: what the system calls the case"`
	Key        string          `yaml:"key,omitempty" doc:"of a change: our Key for the case"`
	Word       string          `yaml:"word" doc:"of a change: the system's own word; several paths with + between make one"`
	At         string          `yaml:"at" doc:"of a change: when"`
	Correction string          `yaml:"correction,omitempty" doc:"of a change: true allows a step backwards"`
	Result     declared.Result `yaml:"result,omitempty" doc:"a code in the answer that says how it went"`
}

// Status says where a system tells how one case is getting on.
type Status struct {
	Action     string          `yaml:"action,omitempty" doc:"the soapAction of the question"`
	Request    string          `yaml:"request" doc:"the question, as XML, with {ref}, {number} or {key}"`
	List       string          `yaml:"list,omitempty" doc:"where all that has happened to the case stands; left out: the answer is the case itself"`
	ID         string          `yaml:"id,omitempty" doc:"unique within the case; made of word and time when left out"`
	Word       string          `yaml:"word" doc:"the system's own word; several paths with + between make one"`
	At         string          `yaml:"at,omitempty" doc:"when; the time of the question when left out"`
	Correction string          `yaml:"correction,omitempty" doc:"true in it allows a step backwards"`
	NotFound   string          `yaml:"not-found,omitempty" doc:"the Fault that says that the case is no longer there"`
	Result     declared.Result `yaml:"result,omitempty" doc:"a code in the answer that says how it went"`
}
