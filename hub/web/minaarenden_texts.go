package web

import "github.com/knutpunkt/knutpunkt/hub"

// A text is the same in both languages of the citizen's pages. Nothing else reaches her
// eye than these, numbers and dates, what the municipality calls itself and its
// e-services, and what she sent in herself.
type text struct{ sv, en string }

// texts are what the templates say, by the name that they say it under.
var texts = map[string]text{
	// Around every page.
	"other-language": {"English", "Svenska"},
	"skip":           {"Till innehållet", "Skip to content"},
	"menu":           {"Sidor", "Pages"},
	"site":           {"Mina ärenden", "My cases"},
	"start":          {"Start", "Start"},
	"log-in":         {"Logga in", "Log in"},
	"log-out":        {"Logga ut", "Log out"},
	"notices":        {"Driftmeddelanden", "Service notices"},
	"notice-until":   {"Till och med", "Until"},
	"as-it-was":      {"Så här var det", "As it was"},
	"reload":         {"Ladda om sidan", "Reload the page"},
	"for-latest":     {"för det senaste.", "for the latest."},
	"live":           {"Sidan uppdateras av sig själv.", "This page updates by itself."},
	"broken": {
		"Förbindelsen är bruten. Sidan försöker igen av sig själv, och inget går förlorat.",
		"The connection is broken. The page tries again by itself, and nothing is lost.",
	},
	"logged-out": {"Du är inte inloggad längre.", "You are no longer logged in."},
	"again":      {"Logga in igen", "Log in again"},

	// Where a logout ends.
	"out-title": {"Du är utloggad", "You are logged out"},
	"out": {
		"Ingen kan längre se dina ärenden i den här webbläsaren. Stäng den också om andra använder datorn.",
		"Nobody can see your cases in this browser any longer. Close it too if others use the computer.",
	},
	"still-in": {
		"Du är inloggad. Logga ut när du är klar, framför allt på en dator som andra också använder.",
		"You are logged in. Log out when you are done, above all on a computer that others use too.",
	},
	"out-here": {
		"Du är utloggad här. Nu leds du vidare för att också logga ut från e-legitimationen.",
		"You are logged out here. You are now led on to log out of your e-ID as well.",
	},
	"out-there": {"Logga ut från e-legitimationen", "Log out of the e-ID"},

	// The start page.
	"start-title": {"Följ dina ärenden hos kommunen", "Follow your cases with the municipality"},
	"start-lead": {
		"Här ser du hur det går för det som du har skickat in: ansökningar, anmälningar och kompletteringar, i alla kommuner som är med.",
		"See how what you have sent in is getting on: applications, notifications and additions, in every municipality that takes part.",
	},
	"start-1": {"Var ärendet är, och när nästa steg väntas.", "Where your case is, and when the next step is expected."},
	"start-2": {"Vem som ska göra något nu: du, kommunen eller någon annan.", "Who is to act now: you, the municipality or somebody else."},
	"start-3": {"Ärligt besked när något står still, sedan när och vem som arbetar med det.", "An honest word when something is stuck, since when, and who is working on it."},
	"start-4": {"Ett kvitto på det du har skickat in, att spara.", "A receipt for what you have sent in, to keep."},
	"start-safe": {
		"Du loggar in med e-legitimation. Bara du ser dina ärenden.",
		"You log in with your e-ID. Only you can see your cases.",
	},
	"to-cases":       {"Till mina ärenden", "To my cases"},
	"municipalities": {"Kommuner som är med", "Municipalities that take part"},

	// All cases.
	"none": {"Du har inga ärenden här än.", "You have no cases here yet."},
	"none-means": {
		"När du har skickat in en e-tjänst hos någon av kommunerna visas den här, oftast inom några sekunder.",
		"When you have sent in a form to one of the municipalities it is shown here, usually within seconds.",
	},
	"hidden": {
		"Vi kan inte visa alla ärenden just nu. De är sparade, och sidan försöker igen av sig själv.",
		"We cannot show all cases right now. They are safe, and this page tries again by itself.",
	},
	"older": {"Äldre ärenden", "Older cases"},
	"newer": {"Till de senaste", "To the newest"},

	// One case.
	"back":        {"Alla mina ärenden", "All my cases"},
	"progress":    {"Så långt har ärendet kommit", "How far the case has come"},
	"here-now":    {"här är ärendet nu", "the case is here now"},
	"done":        {"klart", "done"},
	"not-yet":     {"inte än", "not yet"},
	"waits-here":  {"väntar", "waiting"},
	"expected-by": {"väntas senast", "expected by"},
	"was-by":      {"skulle ha varit klart", "was due"},
	"ball":        {"Vem ska göra något nu?", "Who is to act now?"},
	"next":        {"Vad händer härnäst?", "What happens next?"},
	"nothing":     {"Inga fler steg väntas.", "No further step is expected."},
	"ref":         {"Diarienummer", "Registration number"},
	"no-ref":      {"Inget än. Det får ärendet när det registreras.", "None yet. The case gets one when it is registered."},
	"reference":   {"Referens", "Reference"},
	"came-in":     {"Kom in", "Came in"},
	"municipality": {
		"Kommun", "Municipality",
	},
	"stuck-since": {"Sedan", "Since"},
	"stuck-who":   {"Vem arbetar med det?", "Who is working on it?"},
	"stuck-you":   {"Vad behöver du göra?", "What do you need to do?"},
	"late":        {"Det tar längre tid än vi har lovat", "It is taking longer than we promised"},
	"late-ask":    {"Vill du veta mer, fråga kommunen.", "If you want to know more, ask the municipality."},
	"ask":         {"Frågor om ärendet?", "Questions about the case?"},
	"times":       {"Hur lång tid brukar det ta?", "How long does it usually take?"},
	"times-from":  {"Räknat från att ärendet kom in.", "Counted from when the case came in."},
	"step":        {"Steg", "Step"},
	"promised":    {"Lovat", "Promised"},
	"measured":    {"Uppmätt det senaste året", "Measured over the past year"},
	"no-promise":  {"inget löfte", "no promise"},
	"too-few":     {"för få ärenden för att säga något än", "too few cases to say anything yet"},
	"about":       {"Om ärendet", "About the case"},
	"receipt":     {"Kvittens att spara eller skriva ut", "Receipt to keep or print"},

	// The receipt.
	"receipt-title":   {"Kvittens", "Receipt"},
	"receipt-lead":    {"Vi har tagit emot det du har skickat in. Spara eller skriv ut kvittensen.", "We have received what you sent in. Save or print this receipt."},
	"back-to-case":    {"Tillbaka till ärendet", "Back to the case"},
	"print":           {"Skriv ut", "Print"},
	"first-form":      {"Det du skickade in", "What you sent in"},
	"later-form":      {"Komplettering", "Addition"},
	"service":         {"E-tjänst", "E-service"},
	"platform-number": {"E-tjänstens eget nummer", "The e-service's own number"},
	"in-official":     {"Inkommet (datum som gäller)", "Received (the date that counts)"},
	"in-durable":      {"Mottaget och sparat av oss", "Taken and stored by us"},
	"sent":            {"Inskickat, enligt e-tjänsten", "Sent in, according to the e-service"},
	"original":        {"Formuläret som det kom in", "The form as it came in"},
	"bytes":           {"byte", "bytes"},
	"files":           {"Bifogade filer", "Attached files"},
	"file":            {"Fil", "File"},
	"size":            {"Storlek", "Size"},
	"fingerprint":     {"Kontrollsumma (SHA-256)", "Checksum (SHA-256)"},
	"no-files":        {"Inga filer bifogades.", "No files were attached."},
	"fetching":        {"hämtas från e-tjänsten", "being fetched from the e-service"},
	"hash-means": {
		"Kontrollsumman är ett fingeravtryck av innehållet. Är ett enda tecken ändrat blir den en annan, så den visar vad som kom in.",
		"The checksum is a fingerprint of the contents. If a single character changes, so does the checksum: it shows what came in.",
	},
	"printed": {"Kvittensen hämtad", "Receipt fetched"},

	// What cannot be shown.
	"sorry": {"Det gick inte att visa sidan", "The page cannot be shown"},
	"not-found": {
		"Det finns inget här som du kan se. Ärendet kan vara någon annans, eller så är adressen fel.",
		"There is nothing here that you can see. The case may be somebody else's, or the address may be wrong.",
	},
	"out-of-order": {
		"Något är fel hos oss. Dina ärenden är sparade. Försök igen om en stund.",
		"Something is wrong on our side. Your cases are safe. Please try again in a while.",
	},

	// Times. What stands for a number or a day is %s.
	"today":     {"i dag", "today"},
	"yesterday": {"i går", "yesterday"},
	"clock":     {"%s kl. %s", "%s at %s"},
	"within":    {"inom %s", "within %s"},
	"by-day":    {"%s, senast %s", "%s, by %s"},
	"e-service": {"E-tjänst %s", "E-service %s"},
	"news":      {"%s: %s", "%s: %s"},
	"promise":   {"Vi lovade att ärendet skulle vara %s senast %s.", "We promised that the case would be %s by %s."},
	"spread-of": {"Hälften av ärendena är %s %s, nio av tio %s.", "Half of the cases are %s %s, nine out of ten %s."},
}

// stepTexts are the Steps, reachedTexts what a case is that has come to one.
var (
	stepTexts = map[hub.Step]text{
		hub.Inkommet: {hub.Inkommet.Swedish(), "Received"}, hub.Registrerat: {hub.Registrerat.Swedish(), "Registered"},
		hub.UnderHandlaggning:  {hub.UnderHandlaggning.Swedish(), "In progress"},
		hub.KompletteringBehov: {hub.KompletteringBehov.Swedish(), "More is needed from you"},
		hub.Beslutat:           {hub.Beslutat.Swedish(), "Decided"}, hub.Avslutat: {hub.Avslutat.Swedish(), "Closed"},
		hub.Atertaget: {hub.Atertaget.Swedish(), "Withdrawn"}, hub.Avvisat: {hub.Avvisat.Swedish(), "Dismissed"},
	}
	reachedTexts = map[hub.Step]text{
		hub.Registrerat: {"registrerat", "registered"}, hub.UnderHandlaggning: {"under handläggning", "in progress"},
		hub.KompletteringBehov: {"läst", "read"}, hub.Beslutat: {"beslutat", "decided"}, hub.Avslutat: {"avslutat", "closed"},
	}
	manyReachedTexts = map[hub.Step]text{
		hub.Registrerat: {"registrerade", "registered"}, hub.UnderHandlaggning: {"under handläggning", "in progress"},
		hub.KompletteringBehov: {"lästa", "read"}, hub.Beslutat: {"beslutade", "decided"}, hub.Avslutat: {"avslutade", "closed"},
	}
	// leadTexts say what a Step means; answeredText when more was needed, and has come in.
	leadTexts = map[hub.Step]text{
		hub.Inkommet: {"Vi har tagit emot ärendet. Nu ska det registreras hos kommunen.", "We have received your case. Next, the municipality registers it."},
		hub.Registrerat: {
			"Ärendet är registrerat hos kommunen och står i tur att handläggas.",
			"The municipality has registered your case, and it is waiting its turn.",
		},
		hub.UnderHandlaggning: {"En handläggare på kommunen arbetar med ärendet.", "Somebody at the municipality is working on your case."},
		hub.KompletteringBehov: {
			"Kommunen behöver något mer av dig för att komma vidare. Vad det är står i det som kommunen har skickat till dig.",
			"The municipality needs something more from you to go on. What it is, is in what they have sent you.",
		},
		hub.Beslutat:  {"Kommunen har fattat beslut. Beslutet får du av kommunen.", "The municipality has decided. You will get the decision from them."},
		hub.Avslutat:  {"Ärendet är avslutat.", "The case is closed."},
		hub.Atertaget: {"Ärendet är återtaget och handläggs inte.", "The case has been withdrawn and is not handled."},
		hub.Avvisat: {
			"Kommunen har avvisat det som skickades in, och det handläggs inte. Fråga kommunen om du vill veta varför.",
			"The municipality has dismissed what was sent in, and it is not handled. Ask them if you want to know why.",
		},
	}
	answeredText = text{
		"Det du har kompletterat med har kommit in. Nu går kommunen vidare med ärendet.",
		"What you added has come in. The municipality now goes on with your case.",
	}
)

// ballTexts say who is to act, and ballMeans what that means to her who reads.
var (
	ballTexts = map[hub.Ball]text{
		hub.Applicant: {"Du", "You"}, hub.Council: {"Kommunen", "The municipality"},
		hub.Other: {"Någon annan än du och kommunen", "Somebody other than you and the municipality"}, hub.Nobody: {"Ingen", "Nobody"},
	}
	ballMeans = map[hub.Ball]text{
		hub.Applicant: {"Kommunen väntar på dig.", "The municipality is waiting for you."},
		hub.Council:   {"Du behöver inte göra något nu.", "You do not need to do anything now."},
		hub.Other:     {"Du behöver inte göra något nu.", "You do not need to do anything now."},
		hub.Nobody:    {"Allt är klart.", "Everything is done."},
	}
)

// What is stuck, by what keeps it, who is on it, and what she need do about it.
var (
	stuckTitles = map[hub.Piece]text{
		hub.WholeCase:    {"Mottaget, väntar på att registreras", "Received, waiting to be registered"},
		hub.LaterForm:    {"Kompletteringen är mottagen och väntar på att registreras", "Your addition is received and waiting to be registered"},
		hub.OneOfSystems: {"Registrerat, men en del väntar", "Registered, but a part of it is waiting"},
	}
	stuckWhats = map[hub.Hindrance]text{
		hub.Delayed: {
			"Det tar längre tid än det brukar. Nya försök görs av sig självt.",
			"It is taking longer than usual. New attempts are made automatically.",
		},
		hub.FactsWait: {
			"Uppgifter som behövs går inte att hämta just nu. Nya försök görs av sig självt.",
			"Some information that is needed cannot be fetched right now. New attempts are made automatically.",
		},
		hub.PlannedStop: {
			"Kommunens system är stängt för planerat underhåll. Det går vidare av sig självt när systemet öppnar.",
			"The municipality's system is closed for planned maintenance. It goes on by itself when the system opens.",
		},
		hub.SystemOut: {
			"Kommunens system svarar inte just nu. Det går vidare av sig självt så snart systemet svarar igen.",
			"The municipality's system is not answering right now. It goes on by itself as soon as the system answers.",
		},
		hub.Halted: {
			"Överföringen är stoppad tills vidare. Det går vidare så snart den har öppnats igen.",
			"The transfer has been stopped for now. It goes on as soon as it has been opened again.",
		},
		hub.WithPerson: {
			"En person på kommunen ser över det för hand innan det kan gå vidare.",
			"Somebody at the municipality is looking at it by hand before it can go on.",
		},
	}
	keeperTexts = map[hub.Keeper]text{
		hub.Registrar:  {"Kommunens registrator", "The municipality's registrar"},
		hub.Operations: {"De som sköter driften av Mina ärenden", "Those who run My cases"},
		hub.Supplier:   {"De som sköter systemet", "Those who run that system"},
	}
	youTexts = map[hub.Hindrance]text{
		hub.WithPerson: {
			"Inget. Det du har skickat in är sparat och räknas som inkommet. Kommunen hör av sig om något behövs.",
			"Nothing. What you sent in is stored and counts as received. The municipality will contact you if anything is needed.",
		},
		"": {
			"Inget. Det du har skickat in är sparat och räknas som inkommet. Skicka det inte igen.",
			"Nothing. What you sent in is stored and counts as received. Do not send it again.",
		},
	}
)

// unitTexts are one and many of each Unit, as in "inom 2 veckor".
var unitTexts = map[hub.Unit][2]text{
	minutes:         {{"minut", "minute"}, {"minuter", "minutes"}},
	hours:           {{"timme", "hour"}, {"timmar", "hours"}},
	hub.Days:        {{"dag", "day"}, {"dagar", "days"}},
	hub.WorkingDays: {{"arbetsdag", "working day"}, {"arbetsdagar", "working days"}},
	hub.Weeks:       {{"vecka", "week"}, {"veckor", "weeks"}},
	hub.Months:      {{"månad", "month"}, {"månader", "months"}},
	hub.Years:       {{"år", "year"}, {"år", "years"}},
}

var monthTexts = [12]text{
	{"januari", "January"}, {"februari", "February"}, {"mars", "March"}, {"april", "April"}, {"maj", "May"}, {"juni", "June"},
	{"juli", "July"}, {"augusti", "August"}, {"september", "September"}, {"oktober", "October"}, {"november", "November"}, {"december", "December"},
}
