package web

import (
	"strings"

	"github.com/knutpunkt/knutpunkt/hub"
)

// What the console calls things, for people who have never seen the code.

var stateWords = map[hub.State]string{
	hub.Accepted: "Mottaget", hub.Enriching: "Uppgifter hämtas", hub.EnrichWait: "Väntar på ett register eller en fil",
	hub.Routed: "På väg", hub.Attention: "En leverans vilar hos en människa", hub.Completed: "Klart: levererat, eller ordnat för hand",
	hub.Rejected: "Avvisat", hub.Withdrawn: "Återtaget", hub.Purged: "Gallrat",

	hub.Blocked: "Väntar på att en tidigare leverans blir klar", hub.Ready: "Står i tur att skickas",
	hub.Sending: "Skickas", hub.RetryWait: "Togs inte emot än. Nytt försök",
	hub.Unknown: "Oklart om det kom fram. Systemet tillfrågas", hub.Reconciling: "Systemet tillfrågas om det kom fram",
	hub.Delivered: "Levererat", hub.Confirmed: "Levererat och bekräftat", hub.Waived: "Ordnat för hand",
	hub.Cancelled: "Avbrutet", hub.Held: "Vilar hos en människa",
}

var answerWords = map[hub.Answer]string{
	hub.Yes: "ja, med kvittens", hub.No: "nej", hub.NotNow: "inte nu",
	hub.DontKnow: "vet inte, det kan ha kommit fram", "": "inget svar än, eller avbrutet",
}

// A reason tells of one cause: what it is called, what has happened, what it means to who
// sent the form, who can put it right, and what is safe to do.
type reason struct {
	name, what, citizen, who, safe string

	again   bool   // all of it can be tried again, and nothing is doubled
	command string // what finds out more
}

// What several causes have in common.
const (
	isWaiting  = "Den sökande ser att ärendet är inkommet och vet inte om felet. Inkommen-datum påverkas inte."
	isPartDone = "Den sökandes ärende kan redan finnas i systemet. Den sökande ser att det är inkommet."
	isUntold   = "Ärendet går vidare. Den sökande kan sakna ett besked på plattformen."

	whoMapping    = "Den som förvaltar kommunens vägar och mappningar."
	whoSystem     = "Den som förvaltar systemet, hos kommunen eller leverantören."
	whoPlatform   = "Den som förvaltar formulärplattformen."
	whoRegister   = "Den som ansvarar för anslutningen till registret."
	whoHandler    = "En handläggare eller registrator på kommunen."
	whoOperations = "Driften av Knutpunkt."

	safeAgain   = "Det är säkert att försöka igen: inget har tagits emot, så inget blir dubbelt. Görs det innan felet är rättat vilar det snart här igen."
	safeByHand  = "Går det inte att rätta: registrera ärendet för hand och anteckna numret här. En andra person godkänner."
	safeInDoubt = "Ett tidigare försök kan ha kommit fram. Försök igen är säkert där systemet kan tillfrågas eller känner igen handlingen: det görs först. " +
		"Att göra handlingen på nytt kan ge två ärenden: leta i systemet först, och finns ärendet där, välj Ordnat för hand och skriv dess nummer. En andra person godkänner."
	safeToWait = "Inget behöver göras i felkorgen. Knutpunkt försöker igen av sig självt och skickar allt, i ordning, när det går."
)

// reasonOf tells why something rests with a person. What is in doubt, whatever stopped it
// in the end, is told of as something that may be there.
func reasonOf(r hub.Reason, k hub.Kind, doubt bool) reason {
	told := reasons[r]
	if doubt && k == hub.DocumentKind && r != hub.ReasonUnclear {
		told.what += " Ett tidigare försök kan ha kommit fram."
		told.citizen, told.safe = isPartDone, safeInDoubt
	}
	if k == hub.FormKind && r == hub.ReasonRefused {
		told.name, told.what, told.who = "Nekat av registret", "Registret svarade nej på frågan om någon i formuläret. Vad det svarade är antecknat.", whoRegister
		told.safe = "Rätta det som registret klagar på, och försök igen: då frågas det en gång till. " + safeByHand
	}
	if k == hub.TellingKind { // told twice is heard once
		told.citizen, told.again = isUntold, true
		told.safe = "Det är säkert att skicka beskedet igen. Det går också att strunta i, så får den sökande veta det på annat sätt."
	}
	return told
}

var reasons = map[hub.Reason]reason{
	hub.ReasonRefused: {
		name: "Nekat av systemet", again: true, citizen: isWaiting,
		what: "Systemet läste handlingen och svarade nej. Vad det svarade är antecknat.",
		who:  "Den som förvaltar kommunens vägar och mappningar, eller den som förvaltar systemet.",
		safe: "Rätta det som systemet klagar på. Är det rättat i systemet: försök igen. Är det rättat i mappningen: välj på ärendets sida att handlingen görs på nytt. Systemet sade nej, så inget blir dubbelt.",
	},
	hub.ReasonUnclear: {
		name: "Oklart om det kom fram", citizen: isPartDone,
		what: "Handlingen skickades, svaret uteblev, och systemet kan inte tillfrågas om det tog emot den.",
		who:  "En handläggare eller registrator som kan leta i systemet.",
		safe: "Leta i systemet efter ärendet först. Finns det: välj Ordnat för hand och skriv dess nummer. Finns det inte: välj Skicka igen. Båda godkänns av en andra person. Att skicka igen utan att ha letat kan ge två ärenden.",
	},
	hub.ReasonGaveUp: {
		name: "Alla försök är gjorda", again: true, citizen: isWaiting,
		what: "Alla försök är gjorda, under ungefär en vecka, utan att systemet tog emot.",
		who:  whoSystem,
		safe: "Ta reda på vad som är fel hos systemet. Försök igen när det svarar. Kan något ha kommit fram tillfrågas systemet först.",
	},
	hub.ReasonNoRoute: {
		name: "Ingen väg", again: true, citizen: isWaiting,
		what: "Ingen väg är beskriven för den här e-tjänsten, eller ingen del av vägen gäller det här formuläret.",
		who:  whoMapping,
		safe: "Skriv en väg under routes/, eller rätta e-tjänstens nummer hos plattformen, och försök igen. " + safeByHand,
	},
	hub.ReasonUnreadable: {
		name: "Formuläret går inte att läsa", again: true, citizen: isWaiting,
		what: "Formulärets svar stämmer inte med schemat som vägen anger. Oftast är formuläret ändrat på plattformen. Heter e-tjänsten oläst kom det från ett ämne, och är inget formulär som går att ta emot: vad som är fel är antecknat.",
		who:  whoMapping,
		safe: "Jämför formulärets version med schemat, rätta schemat och försök igen. Är det oläst: be plattformen skicka det på nytt, rätt skrivet, och avvisa det här. " + safeByHand,
	},
	hub.ReasonAttachment: {
		name: "En fil saknas", again: true, citizen: isWaiting,
		what: "En fil som hör till formuläret finns inte kvar hos plattformen, eller är inte den som angavs.",
		who:  whoPlatform,
		safe: "Fråga efter filen. Finns den igen: försök igen. Finns den inte: be den sökande komplettera, och registrera för hand.",
	},
	hub.ReasonMapping: {
		name: "Mappningsfel", again: true, citizen: isWaiting,
		what: "Handlingen kunde inte skrivas: mappningen saknar ett värde, har ett fel, eller ger något som systemets schema inte tillåter. Fil och rad är antecknade.",
		who:  whoMapping,
		safe: "Rätta mappningen, kontrollera med knutpunkt check, ladda om och försök igen. " + safeAgain,
	},
	hub.ReasonRule: {
		name: "Stoppat av en regel", again: true, citizen: isWaiting,
		what: "En av vägens regler säger att ärendet inte får gå vidare av sig självt, eller så är en fil något annat än den säger sig vara. Vilket är antecknat.",
		who:  whoHandler,
		safe: "Läs vad som är antecknat och avgör. Öppna inte en fil som är något annat än den säger. Försök igen stoppas av samma regel tills orsaken är borta. " + safeByHand,
	},
	hub.ReasonNoPerson: {
		name: "Personen finns inte i registret", again: true, citizen: isWaiting,
		what: "Registret känner inte personen, eller så nämner formuläret ingen.",
		who:  whoHandler,
		safe: "Kontrollera uppgifterna med den sökande. Försök igen frågar registret en gång till. " + safeByHand,
	},
	hub.ReasonMismatch: {
		name: "Registret svarade om någon annan", again: true, citizen: isWaiting,
		what: "Registret svarade om någon annan än den som det frågades om. Inget av svaret har använts.",
		who:  whoRegister,
		safe: "Anmäl det till den som ansvarar för registret. Försök igen frågar på nytt, och vilar igen om svaret är detsamma.",
	},
	hub.ReasonProtected: {
		name: "Skyddade personuppgifter", citizen: isWaiting,
		what: "Någon i ärendet har skyddade personuppgifter, eller så går det inte att veta. Inget har skickats vidare.",
		who:  "Bara den grupp på kommunen som får hantera skyddade personuppgifter.",
		safe: "Lämna ärendet till gruppen, utan att skriva något om personen här. " + safeByHand,
	},
	hub.ReasonUnmappable: {
		name: "Ett tecken som systemet inte kan ta emot", again: true, citizen: isWaiting,
		what: "Formuläret har ett tecken som inte finns i systemets teckenuppsättning.",
		who:  whoMapping,
		safe: "Ange i mappningen vad tecknet ska ersättas med. " + safeAgain,
	},
	hub.ReasonCrashLoop: {
		name: "Innehållet stoppar programmet", citizen: isWaiting,
		what: "Programmet avbröts tre gånger när det läste eller skrev just detta.",
		who:  "Den som förvaltar Knutpunkt, tillsammans med den som skrev mappningen.",
		safe: "Lämna ärendets nummer till den som förvaltar Knutpunkt. Försök igen först när felet är rättat. " + safeByHand,
	},
	hub.ReasonCorrupt: {
		name: "Det sparade går inte att läsa", citizen: isWaiting,
		what: "Det som är sparat går inte att läsa, eller är inte det som sparades. Inget skickas.",
		who:  whoOperations,
		safe: "Larma driften: lagringen är skadad. Återställ från säkerhetskopia. Försök inte igen innan dess.",
	},
	hub.ReasonInfected: {
		name: "Skadlig kod i en fil", citizen: isWaiting,
		what: "En fil innehåller skadlig kod. Inget har skickats vidare.",
		who:  whoHandler,
		safe: "Öppna inte filen. Be den sökande om en ny, och avvisa eller registrera för hand.",
	},
	hub.ReasonScanLimit: {
		name: "En fil kunde inte undersökas", citizen: isWaiting,
		what: "En fil är för stor eller för djupt packad för att undersökas för skadlig kod. Inget har skickats vidare.",
		who:  whoOperations,
		safe: "Låt driften undersöka filen innan ärendet går vidare.",
	},
	hub.ReasonNoConnector: {
		name: "Systemet är inte anslutet", again: true, citizen: isWaiting,
		what: "Det system som vägen nämner är inte anslutet.",
		who:  whoMapping,
		safe: "Rätta systems.yaml eller vägen. Ett system som har lagts till eller ändrats ansluts först när Knutpunkt startas om. " + safeAgain,
	},
	hub.ReasonHashMismatch: {
		name: "Handlingen blev en annan", citizen: isPartDone,
		what: "Handlingen har skickats en gång, och blev nu inte densamma. Inget mer har skickats.",
		who:  "Den som förvaltar Knutpunkt.",
		safe: "Leta i systemet efter ärendet. Finns det: välj Ordnat för hand och skriv dess nummer. Finns det inte: välj Skicka igen, gjord på nytt.",
	},
}

// causes tell of a system that is out of order. Their names come after the system's.
var causes = map[hub.Cause]reason{
	hub.Down: {
		name: "svarar inte", citizen: isWaiting, who: whoSystem,
		what: "Systemet går inte att nå, eller svarar inte i tid.",
		safe: safeToWait + " Säg till den som förvaltar systemet.",
	},
	hub.Credentials: {
		name: "tar inte emot vår inloggning", citizen: isWaiting, who: whoSystem,
		what: "Systemet säger att Knutpunkts nyckel eller certifikat inte gäller. Den kan ha gått ut eller bytts.",
		safe: "Lägg in den nya nyckeln där systems.yaml säger att den finns, och starta om Knutpunkt. " + safeToWait,
	},
	hub.AddressChanged: {
		name: "finns inte på sin adress", citizen: isWaiting, who: whoSystem,
		what: "På systemets adress finns något annat, eller en hänvisning till en annan adress. Den följs aldrig.",
		safe: "Ta reda på rätt adress, skriv den i systems.yaml och starta om Knutpunkt. " + safeToWait,
	},
	hub.ContractBroken: {
		name: "svarar obegripligt", citizen: isWaiting, who: whoSystem,
		what: "Systemet svarar med något som inte är ett svar, som en inloggningssida eller ett halvt meddelande.",
		safe: safeToWait + " Visa den som förvaltar systemet vad som är antecknat.",
	},
	hub.Busy: {
		name: "har för mycket att göra", citizen: isWaiting, who: whoSystem,
		what: "Systemet säger att det inte hinner just nu, eller är stängt.",
		safe: safeToWait,
	},
	hub.Paused: {
		name: "är pausat", citizen: "Den sökande ser att ärendet är inkommet och att överföringen är stoppad tills vidare. Inkommen-datum påverkas inte.",
		what: "Någon har pausat systemet, så Knutpunkt anropar det inte. Skälet står på sidan System. Inga försök räknas under tiden.",
		who:  "Den som pausade det, eller en annan av dem som beslutar för samma kommuner.",
		safe: "Ta upp systemet igen på sidan System när det går. Då skickas allt som väntar, i ordning.",
	},
}

// causeName says what a system does that is not called, or what somebody has done.
func causeName(o hub.Circuit) string {
	if o.Cause == hub.Paused {
		return causes[o.Cause].name + " av " + o.Note
	}
	return causes[o.Cause].nameFor(o.Note)
}

// ours tell of what is out of order with Knutpunkt itself.
var ours = map[string]reason{
	"storage": {
		what:    "Disken är full eller skadad, så inga nya formulär tas emot. Plattformarna får svaret att försöka senare. Det som är mottaget finns kvar.",
		citizen: "Den som skickar in ett formulär nu får inget kvitto, och plattformen försöker igen. Ärenden som redan är inkomna påverkas inte.",
		who:     whoOperations, safe: "Ge plats på disken. Ta aldrig bort filer ur datakatalogen. knutpunkt doctor säger vad som är fel.",
		command: "knutpunkt doctor",
	},
	"restored": {
		what:    "Databasen är en kopia från ett tidigare tillfälle. Det som inte var klart då kan ha skickats sedan dess. System som kan tillfrågas tillfrågas; resten vilar som Oklart om det kom fram.",
		citizen: "Formulär som kom in efter kopian kan saknas här, och plattformen behöver skicka dem igen. Andra ärenden kan redan finnas i systemen.",
		who:     "Driften av Knutpunkt, tillsammans med registratorerna.",
		safe:    "Gå igenom det som är oklart, ett i taget: leta i systemet, och välj sedan Skicka igen eller Ordnat för hand. Det som kom in efter kopian känner Knutpunkt inte till, och en del av det kan redan finnas i systemen: jämför med dem för den tiden först, och be plattformen skicka om bara det som inte finns där. Annars blir det två ärenden.",
		command: "knutpunkt doctor",
	},
	uncollected: {
		what:    "Knutpunkt kommer inte åt de formulär som en plattform lämnar på ett ämne eller i en kö. De ligger kvar, och hämtas av sig själva när det går igen.",
		citizen: "Den som skickar in ett formulär den vägen ser inte sitt ärende här än. Ärenden som redan är inkomna påverkas inte.",
		who:     "Driften av Knutpunkt, tillsammans med dem som har hand om ämnet eller kön.",
		safe:    "Rätta det som är antecknat. Se till att inget tas bort därifrån under tiden: det som hinner försvinna går inte att hämta.",
		command: lookAround,
	},
	"reports": {
		what:    "System har berättat om ärenden som inget av det Knutpunkt har skickat passar ihop med.",
		citizen: "Någon kan sakna ett besked om sitt ärende, om rapporten gällde ett ärende som gått genom Knutpunkt.",
		who:     "Den som förvaltar systemet, tillsammans med den som skriver vägarna.",
		safe:    "Inget behöver göras i felkorgen. Kontrollera att numret som systemet rapporterar är det som det gav i sin kvittens.",
		command: "knutpunkt deliveries list",
	},
}

// — what people decide —

var verbTexts = map[hub.Verb]string{
	hub.Release: "skicka igen", hub.Waive: "ordnat för hand", hub.Dismiss: "avvisa formuläret", hub.Withdraw: "återta formuläret",
}

// choiceTexts say what can be decided, on a button, and what comes of it.
var choiceTexts = map[hub.Verb]struct{ name, means string }{
	hub.Release:  {"Skicka igen", "Samma handling skickas en gång till. Kan systemet tillfrågas, och kan det redan ha tagit emot, så tillfrågas det först."},
	hub.Waive:    {"Ordnat för hand", "Du har själv registrerat det i systemet, eller så behövs det inte. Inget mer skickas."},
	hub.Dismiss:  {"Avvisa formuläret", "Formuläret handläggs inte. Den sökande ser att det är avvisat."},
	hub.Withdraw: {"Återta formuläret", "Den sökande vill inte gå vidare. Inget har skickats, och inget skickas. Den sökande ser att det är återtaget."},
}

// outcomeTexts say what came of a decision.
var outcomeTexts = map[string]string{
	"proposed": "Väntar på en andra person. Ditt beslut är antecknat och utförs när någon annan har godkänt det.", "again": "Formuläret tas om från början.",
	"sent": "Leveransen står i tur att skickas igen.", "asked": "Systemet tillfrågas först om det redan har tagit emot, och sedan skickas det om det behövs.",
	"queued": "Leveransen skickas när det som står före den är klart.", "anew": "Handlingen görs på nytt och skickas som en ny leverans.",
	"waived": "Antecknat som ordnat för hand.", "rejected": "Formuläret är avvisat.", "withdrawn": "Formuläret är återtaget.",
}

// noticeOutcomes say what came of writing a service notice.
var noticeOutcomes = map[string]string{"written": "Driftmeddelandet är sparat.", "ended": "Driftmeddelandet visas inte längre."}

// systemOutcomes say what came of what was done about a system.
var systemOutcomes = map[string]string{
	"paused": "Systemet är pausat. Det som är på väg dit väntar.", "resumed": "Systemet är i bruk igen. Det som väntade skickas nu, i ordning.",
	"retold": "Beskeden står i tur att berättas igen.",
}

// faultTexts say what is wrong with what was written on a page.
var faultTexts = map[string]string{
	"/reason required": "Skriv ett skäl.", "/reason length": "Skälet ska vara 3 till 500 tecken.",
	"/reason control-character": "Skälet har ett tecken som inte går att skriva ut.",
	"/reason personal-number":   "Skälet ser ut att innehålla ett personnummer. Skriv ärendets nummer i stället.",
	"/number personal-number":   "Numret ser ut att vara ett personnummer.",
	"/number pattern":           "Numret får ha bokstäver, siffror, mellanslag och / : . _ - och vara högst 64 tecken.",

	"/system enum":             "Systemet pausas bara av den som har alla kommuner som det är till för.",
	"/system writes-to-people": "Det systemet skriver till människor, som då skulle få läsa samma sak en gång till.",
	"/system not-told":         "Det systemet får inga besked, så det finns inget att berätta igen.",

	"/reference required": "Skriv ärendets nummer, diarienumret eller plattformens nummer.", "/reference length": "Referensen får vara högst 64 tecken.",
	"/reference control-character": "Referensen har ett tecken som inte går att skriva ut.",
	"/reference personal-number":   "Referensen ser ut att vara ett personnummer. Fråga efter ärendets nummer i stället.",

	"/municipality required": "Välj vilken kommun det gäller.",
	"/municipality enum":     "Välj en av dina kommuner. Till alla kommuner skriver den som har alla.",
	"/swedish required":      "Skriv vad som ska stå, på svenska.",
	"/swedish length":        "Texten på svenska får vara högst 500 tecken.", "/english length": "Texten på engelska får vara högst 500 tecken.",
	"/swedish control-character": "Texten på svenska har ett tecken som inte går att visa.",
	"/english control-character": "Texten på engelska har ett tecken som inte går att visa.",
	"/swedish personal-number":   "Texten på svenska ser ut att innehålla ett personnummer.",
	"/english personal-number":   "Texten på engelska ser ut att innehålla ett personnummer.",
	"/from date-time":            "Tiden då det börjar är ingen tid som finns.",
	"/from required":             "Skriv när det börjar.",
	"/until required":            "Skriv när det ska sluta visas.",
	"/until date-time":           "Tiden då det slutar är ingen tid som finns.",
	"/until out-of-range":        "Perioden ska sluta efter att den börjar, och senast nu.",
	"/until too-early":           "Det måste visas till en tid som inte har varit, och som är efter den då det börjar.",
	"/until too-late":            "Det får visas i högst ett år.",
}

func faultTextsOf(faults []fault) (texts []string) {
	for _, f := range faults {
		if text := faultTexts[f.Pointer+" "+f.Code]; text != "" {
			texts = append(texts, text)
		}
	}
	return texts
}

// conflicts tell in Swedish why the state of a row forbids something. Their keys are the
// hub's own words.
var conflicts = map[string]string{
	"there is nothing of that name":                   "Det finns inget med den nyckeln.",
	"it is not held":                                  "Det vilar inte hos en människa. Någon annan kan ha hunnit före.",
	"a form always goes by the present configuration": "Ett formulär går alltid enligt vägen som den är nu, så det behöver inte väljas.",
	"another delivery needs its number":               "En annan leverans behöver dess nummer. Skriv numret som det är registrerat under.",
	"only a form that is held can be rejected":        "Bara ett formulär som ligger i felkorgen kan avvisas.",
	"it would wait for a delivery that waits for it":  "Enligt vägen som den är nu skulle leveransen vänta på en som väntar på den. Rätta vägen först.",
	"another file is being read into the register":    "En annan fil läses just in i registret. Vänta tills den är klar och skicka sedan nästa.",
	"the system is paused already":                    "Systemet är redan pausat. Någon annan kan ha hunnit före.",
	"the system is not paused":                        "Systemet är inte pausat. Någon annan kan ha hunnit före.",
	"what is not told yet cannot be told again":       "Det som inte är berättat än kan inte berättas igen. Perioden ska sluta senast nu.",
	"that is more than is told again at a time":       "Det är mer än som berättas igen på en gång. Välj en kortare period, och ta resten sedan.",
	"nobody can decide that":                          "Det finns inget sådant beslut.",
	"there is no form that can be taken back":         "Det finns inget formulär här som kan återtas.",
	"it has been sent on, or may have been":           "Det är skickat vidare, eller kan vara det, och kan inte tas tillbaka här.",
	"only a delivery can be made anew":                "Bara en leverans kan göras på nytt.",
	"the present route has no such leg":               "Vägen som den är nu har inget sådant ben.",

	// Of a draft that is tried on a form.
	"no route takes such forms now":                            "Det finns ingen väg för sådana formulär nu.",
	"no leg of the present route is for that form and mapping": "Inget ben i vägen som den är nu gör en handling av det formuläret med den mappningen.",
	"several legs use that mapping":                            "Flera ben använder mappningen. Säg vilket, med --leg.",
	"what is stored cannot be read":                            "Det som är sparat går inte att läsa. Se säkerhetskopian.",
	"the form does not fit the present route":                  "Formuläret passar inte vägen som den är nu: svaren stämmer inte med schemat, eller så finns ingen part där vägen söker en.",
	"its registers have not answered":                          "Registren har inte svarat om formulärets personer, så handlingen går inte att göra än.",
	"a protected person is in it":                              "En person med skyddade uppgifter är med, och vägen eller systemet låter ingen handling göras då.",
}

// actTexts say what the lines of the audit log tell of. A few begin another word: see
// actText.
var actTexts = map[string]string{
	"accepted": "Togs emot", "routed": "Leveranserna bestämdes", "receipt": "Systemet gav sin kvittens", "completed": "Allt är levererat",
	"attention": "En leverans vilar", "document pinned anew": "Handlingen ändrades innan den skickades", "receipt came late": "Kvittensen kom sent, och togs tillvara",
	"restored": "Kommer från en säkerhetskopia", "release": "Släpptes för att skickas igen", "waive": "Antecknades som ordnat för hand",
	"reject": "Formuläret avvisades", "withdraw": "Formuläret återtogs", "looked at": "Lästes, så som den sökande ser det", "looked at document": "En hel handling lästes, gjord av ett utkast",
	"told again": "Beskeden berättades igen",
}

func actText(what string) string {
	first, rest, _ := strings.Cut(what, " ")
	switch {
	case actTexts[what] != "":
		return actTexts[what]
	case first == "held":
		return "Lades i felkorgen: " + reasons[hub.Reason(rest)].name
	case first == "proposed":
		return "Föreslogs: " + verbTexts[hub.Verb(rest)]
	case first == "approved":
		return "Godkändes av en andra person: " + verbTexts[hub.Verb(rest)]
	}
	return what
}
