//! A proxy between the SDK and the servers, on threads and sockets alone: it counts and names the calls, and on order it
//! refuses, breaks, delays or rewrites them, as AWS does and the servers that can be installed do not.

use std::collections::BTreeMap;
use std::io::{BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use landfall::sim::Moment;

use crate::servers::{ACCOUNT, Servers};
use crate::updates::Updates;

/// A proxy before the servers. It ends with the process. Clones are the same proxy.
#[derive(Clone)]
pub(crate) struct Proxy {
    pub(crate) url: url::Url,
    state: Arc<State>,
}

struct State {
    servers: Servers,
    inner: Mutex<Inner>,
    /// Held by whoever makes something with a token.
    creating: Mutex<()>,
    in_flight: AtomicUsize,
}

#[derive(Default)]
struct Inner {
    /// Every call that has arrived, in order.
    calls: Vec<Arrived>,
    faults: Vec<Fault>,
    /// At which next call that changes something it begins that every call goes wrong in this way.
    end: Option<(usize, Kind)>,
    /// What was answered to a create with a token: what it asked for, and the answer.
    tokens: BTreeMap<(String, String), (String, Answer)>,
    /// What to do at which call, once.
    blow: Option<Blow>,
    /// The account whose calls these are, for moto.
    account: Option<String>,
}

type Blow = (usize, Moment, Box<dyn FnOnce() + Send>);

/// A call that has arrived.
#[derive(Clone, Debug)]
pub(crate) struct Arrived {
    /// Such as `CreateVpc`.
    pub(crate) action: String,
    /// The access key that signed it.
    pub(crate) key: String,
    /// The account that must own the bucket, as S3 is told.
    pub(crate) owner: Option<String>,
    /// Whether something goes wrong with it.
    pub(crate) faulty: bool,
    /// Whether the server was asked, and what its status was.
    pub(crate) status: Option<u16>,
    /// Whether the answer was the one to an earlier request with the same token.
    pub(crate) replayed: bool,
}

/// What goes wrong, with which calls, and how often.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) action: &'static str,
    pub(crate) kind: Kind,
    pub(crate) times: usize,
}

/// What goes wrong with a call.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// Refused before it acts, in the words of the service's own protocol.
    Refused { status: u16, code: &'static str, message: &'static str },
    /// Answered by somebody else on the way.
    Answered { status: u16, body: &'static str },
    /// The connection breaks before the call reaches the server.
    Reset,
    /// It acts, and the connection breaks before the answer.
    Lost,
    /// It acts, and half of the answer comes back.
    Truncated,
    /// It acts, and the answer is a page of something else.
    Garbage,
    /// It acts, and the answer says 500.
    ActedThen500,
    /// A page with nothing in it, and a word by which the next one is asked for.
    EmptyPage,
    /// It acts, and Cloud Control's answer is that the request is under way and has made nothing that has an id.
    Accepted,
    /// Some text of the answer is another one.
    Rewritten { from: &'static str, to: &'static str },
}

#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) head: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Proxy {
    #[expect(clippy::disallowed_methods, reason = "a proxy is no part of what it is before")]
    pub(crate) fn new(servers: Servers) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let state = Arc::new(State {
            servers,
            inner: Mutex::default(),
            creating: Mutex::default(),
            in_flight: AtomicUsize::new(0),
        });
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = shared.clone();
                std::thread::spawn(move || state.serve(&stream));
            }
        });
        Self { url, state }
    }

    /// How many calls the server has not answered yet.
    pub(crate) fn in_flight(&self) -> usize {
        self.state.in_flight.load(Ordering::SeqCst)
    }

    /// Has an account of its own on moto, with quotas of its own.
    pub(crate) fn in_account(&self, account: String) {
        self.state.servers.begin(&account);
        self.state.inner().account = Some(account);
    }

    /// The calls that have arrived so far.
    pub(crate) fn calls(&self) -> Vec<Arrived> {
        self.state.inner().calls.clone()
    }

    /// How many calls of each action have arrived since the call of this number.
    pub(crate) fn counted_since(&self, number: usize) -> BTreeMap<String, usize> {
        let mut counted = BTreeMap::new();
        for call in &self.state.inner().calls[number..] {
            *counted.entry(call.action.clone()).or_default() += 1;
        }
        counted
    }

    /// What the servers themselves list, by what was asked.
    pub(crate) fn listings(&self) -> Vec<(String, String)> {
        self.state.servers.listings()
    }

    /// The changes that EKS makes.
    pub(crate) fn updates(&self) -> MutexGuard<'_, Updates> {
        self.state.servers.updates()
    }

    /// What Cloud Control lists of a type, without any mark being asked for: the properties of each object.
    pub(crate) fn resources(&self, type_name: &str) -> Vec<String> {
        self.state.servers.resources(type_name)
    }

    /// Calls of this action, so many of them, go wrong.
    pub(crate) fn fault(&self, action: &'static str, times: usize, kind: Kind) {
        self.state.inner().faults.push(Fault { action, kind, times });
    }

    /// From the next call on that changes something for the time of this number, every call goes wrong.
    pub(crate) fn end_at(&self, change: usize, kind: Kind) {
        self.state.inner().end = Some((change, kind));
    }

    /// Does something at the call of this number, counted from 1 and from now.
    pub(crate) fn at(&self, number: usize, moment: Moment, blow: impl FnOnce() + Send + 'static) {
        let mut inner = self.state.inner();
        let number = inner.calls.len() + number;
        inner.blow = Some((number, moment, Box::new(blow)));
    }

    /// Takes back what was to be done and was not.
    pub(crate) fn at_peace(&self) {
        let mut inner = self.state.inner();
        inner.blow = None;
        inner.end = None;
        inner.faults.clear();
    }

    /// Forgets every token, as the services do after a while.
    pub(crate) fn forget_tokens(&self) {
        self.state.inner().tokens.clear();
    }
}

impl Inner {
    /// What every call meets once the end has come.
    fn ended(&mut self, action: &str) -> Option<Kind> {
        let (left, kind) = self.end.as_mut()?;
        let reads = ["Describe", "Get", "List", "GET ", "HEAD "].iter().any(|prefix| action.starts_with(prefix));
        *left = left.saturating_sub(usize::from(!reads));
        (*left == 0).then(|| kind.clone())
    }
}

impl State {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, stream: &TcpStream) {
        let mut reader = BufReader::new(stream);
        while let Some(request) = read_request(&mut reader, stream) {
            match self.answer(&request) {
                Some((answer, whole)) => {
                    if !write_answer(stream, &answer, whole) {
                        return;
                    }
                }
                None => {
                    // Closing with unread input resets the connection; so does this, as good as.
                    let _ = stream.shutdown(Shutdown::Both);
                    return;
                }
            }
        }
    }

    /// What is answered, and whether all of it; nothing when the connection breaks.
    fn answer(&self, request: &Request) -> Option<(Answer, bool)> {
        let action = action(request);
        let (number, fault) = {
            let mut inner = self.inner();
            let at = inner.faults.iter().position(|fault| fault.times > 0 && fault.action == action);
            let fault = at.map(|at| {
                inner.faults[at].times -= 1;
                inner.faults[at].kind.clone()
            });
            let fault = fault.or_else(|| inner.ended(&action));
            let faulty = fault.is_some();
            let owner = header(&request.head, "x-amz-expected-bucket-owner").map(str::to_owned);
            inner.calls.push(Arrived {
                action: action.clone(),
                key: key(request),
                owner,
                faulty,
                status: None,
                replayed: false,
            });
            let number = inner.calls.len();
            (number, fault)
        };
        self.blow(number, Moment::Before);
        match &fault {
            Some(Kind::Refused { status, code, message }) => {
                return Some((refusal(request, *status, code, message), true));
            }
            Some(Kind::Answered { status, body }) => {
                return Some((Answer { status: *status, head: Vec::new(), body: body.as_bytes().to_vec() }, true));
            }
            Some(Kind::Reset) => return None,
            Some(Kind::EmptyPage) => return Some((empty_page(request, &action), true)),
            _ => {}
        }
        self.in_flight.fetch_add(1, Ordering::SeqCst);
        let (answer, replayed) = self.ask(request, &action);
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
        self.inner().calls[number - 1].status = Some(answer.status);
        self.inner().calls[number - 1].replayed = replayed;
        self.blow(number, Moment::Acted);
        let answer = match fault {
            Some(Kind::Lost) => return None,
            Some(Kind::Truncated) => return Some((answer, false)),
            Some(Kind::Garbage) => Answer { body: b"<html><body>Bad Gateway</body></html>".to_vec(), ..answer },
            Some(Kind::ActedThen500) => refusal(request, 500, "InternalError", "An internal error has occurred"),
            Some(Kind::Accepted) => accepted(answer),
            Some(Kind::Rewritten { from, to }) => {
                let text = String::from_utf8_lossy(&answer.body).replace(from, to);
                Answer { body: text.into_bytes(), ..answer }
            }
            _ => answer,
        };
        self.blow(number, Moment::Replied);
        Some((answer, true))
    }

    fn blow(&self, number: usize, moment: Moment) {
        let mut inner = self.inner();
        if inner.blow.as_ref().is_some_and(|(at, when, _)| *at == number && *when == moment)
            && let Some((_, _, blow)) = inner.blow.take()
        {
            drop(inner);
            blow();
        }
    }

    /// Asks the server, or remembers what it said to the same request with the same token, and says that it does.
    fn ask(&self, request: &Request, action: &str) -> (Answer, bool) {
        let Some(token) = token(request).or_else(|| association(request, action)) else {
            return (self.forward(request), false);
        };
        let key = (action.to_owned(), token.clone());
        let asked = String::from_utf8_lossy(&request.body).into_owned();
        // One after the other, so that two with the same token do not both reach the server.
        let _one_at_a_time = self.creating.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((before, answer)) = self.inner().tokens.get(&key) {
            if action == "AssociateRouteTable" {
                let message = "The subnet is already associated.";
                return (refusal(request, 400, "Resource.AlreadyAssociated", message), true);
            }
            if *before == asked {
                return (answer.clone(), true);
            }
            if action == "CreateResource" {
                let message = format!("ClientToken {token} is already associated with an existing operation");
                return (refusal(request, 400, "ClientTokenConflictException", &message), true);
            }
            let message = "The request uses the same client token as a previous, but non-identical request.";
            return (refusal(request, 400, "IdempotentParameterMismatch", message), true);
        }
        let answer = self.forward(request);
        if answer.status < 300 {
            self.inner().tokens.insert(key, (asked, answer.clone()));
        }
        (answer, false)
    }

    fn forward(&self, request: &Request) -> Answer {
        let mut request = request.clone();
        if let Some(account) = &self.inner().account {
            request.head.push((ACCOUNT.to_owned(), account.clone()));
        }
        // The servers know nothing of empty pages.
        let text = String::from_utf8_lossy(&request.body).into_owned();
        if text.contains(NEXT) {
            let text = text.replace(&format!("&NextToken={NEXT}"), "").replace(&format!("\"{NEXT}\""), "null");
            request.body = text.into_bytes();
        }
        self.servers.ask(&request)
    }
}

/// The word by which the page after an empty one is asked for.
const NEXT: &str = "after-the-empty-page";

fn empty_page(request: &Request, action: &str) -> Answer {
    let json = header(&request.head, "x-amz-target").is_some();
    let (kind, body) = if json {
        let tokens = serde_json::json!({ "PaginationToken": NEXT, "nextToken": NEXT, "NextToken": NEXT });
        ("application/x-amz-json-1.1", tokens.to_string())
    } else {
        ("text/xml", format!("<{action}Response><nextToken>{NEXT}</nextToken></{action}Response>"))
    };
    Answer { status: 200, head: vec![("content-type".to_owned(), kind.to_owned())], body: body.into_bytes() }
}

/// An answer of Cloud Control as it is before the request is worked off.
fn accepted(answer: Answer) -> Answer {
    let mut body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    if let Some(event) = body["ProgressEvent"].as_object_mut() {
        event.remove("Identifier");
        event.remove("ResourceModel");
        event.insert("OperationStatus".to_owned(), "IN_PROGRESS".into());
    }
    Answer { body: body.to_string().into_bytes(), ..answer }
}

fn read_head(reader: &mut impl std::io::BufRead) -> Option<(String, Vec<(String, String)>)> {
    let mut first = String::new();
    if reader.read_line(&mut first).ok()? == 0 {
        return None;
    }
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 || line.trim().is_empty() {
            return Some((first.trim_end().to_owned(), head));
        }
        let (name, value) = line.split_once(':')?;
        head.push((name.trim().to_lowercase(), value.trim().to_owned()));
    }
}

pub(crate) fn header<'a>(head: &'a [(String, String)], name: &str) -> Option<&'a str> {
    head.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

fn read_chunks(reader: &mut impl std::io::BufRead) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let size = usize::from_str_radix(line.trim().split(';').next()?, 16).ok()?;
        let mut chunk = vec![0; size];
        reader.read_exact(&mut chunk).ok()?;
        body.extend(chunk);
        line.clear();
        reader.read_line(&mut line).ok()?;
        if size == 0 {
            return Some(body);
        }
    }
}

fn read_request(reader: &mut BufReader<&TcpStream>, mut stream: &TcpStream) -> Option<Request> {
    let (first, head) = read_head(reader)?;
    let mut words = first.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    if header(&head, "expect").is_some() {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
    }
    let body = if header(&head, "transfer-encoding") == Some("chunked") {
        read_chunks(reader)?
    } else {
        let mut body = vec![0; header(&head, "content-length").unwrap_or("0").parse().ok()?];
        reader.read_exact(&mut body).ok()?;
        body
    };
    Some(Request { method, path, head, body })
}

pub(crate) fn read_answer(stream: &TcpStream, bodiless: bool) -> Answer {
    let mut reader = BufReader::new(stream);
    let (first, head) = read_head(&mut reader).unwrap();
    let status = first.split(' ').nth(1).unwrap().parse().unwrap();
    let mut body = Vec::new();
    if header(&head, "transfer-encoding") == Some("chunked") {
        body = read_chunks(&mut reader).unwrap();
    } else if !bodiless && status != 204 && status != 304 {
        match header(&head, "content-length") {
            Some(length) => {
                body = vec![0; length.parse().unwrap()];
                reader.read_exact(&mut body).unwrap();
            }
            None => {
                reader.read_to_end(&mut body).unwrap();
            }
        }
    }
    Answer { status, head, body }
}

/// Whether the connection may be used again.
fn write_answer(mut stream: &TcpStream, answer: &Answer, whole: bool) -> bool {
    let mut head = format!("HTTP/1.1 {} Status\r\n", answer.status);
    for (name, value) in &answer.head {
        if !["connection", "content-length", "transfer-encoding"].contains(&name.as_str()) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", answer.body.len()));
    let body = if whole { &answer.body[..] } else { &answer.body[..answer.body.len() / 2] };
    let sent = stream.write_all(head.as_bytes()).is_ok() && stream.write_all(body).is_ok();
    if !whole {
        let _ = stream.shutdown(Shutdown::Both);
    }
    sent && whole
}

/// What a call is called: the parameter of query protocols, the target of JSON ones, method and kind of REST ones.
fn action(request: &Request) -> String {
    if let Some(target) = header(&request.head, "x-amz-target") {
        return target.rsplit('.').next().unwrap_or(target).to_owned();
    }
    let body = String::from_utf8_lossy(&request.body);
    if let Some(action) = body.split('&').find_map(|pair| pair.strip_prefix("Action=")) {
        return action.to_owned();
    }
    let path = request.path.split('?').next().unwrap_or_default();
    let query = request.path.split_once('?').map(|(_, query)| query.split('=').next().unwrap_or_default());
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    // Every other part of an EKS path is a name.
    let kinds: Vec<&str> = match parts.first() {
        Some(&"clusters") => parts.iter().step_by(2).copied().collect(),
        Some(&"tags") => vec!["tags"],
        _ => query.filter(|query| !query.starts_with("x-id")).into_iter().collect(),
    };
    format!("{} /{}{}", request.method, kinds.join("/"), if parts.len().is_multiple_of(2) { "/*" } else { "" })
}

/// The access key that signed a request.
fn key(request: &Request) -> String {
    let signature = header(&request.head, "authorization").unwrap_or_default();
    let scope = signature.split_once("Credential=").map_or("", |(_, scope)| scope);
    scope.split('/').next().unwrap_or_default().to_owned()
}

/// The token of a create.
fn token(request: &Request) -> Option<String> {
    let body = String::from_utf8_lossy(&request.body);
    if let Some(token) = body.split('&').find_map(|pair| pair.strip_prefix("ClientToken=")) {
        return Some(token.to_owned());
    }
    let json: serde_json::Value = serde_json::from_str(&body).ok()?;
    ["clientRequestToken", "ClientToken"].iter().find_map(|name| Some(json.get(name)?.as_str()?.to_owned()))
}

/// What is associated: EC2 refuses to do so twice, and moto does not.
fn association(request: &Request, action: &str) -> Option<String> {
    let body = String::from_utf8_lossy(&request.body).into_owned();
    (action == "AssociateRouteTable").then_some(body)
}

/// An error in the words of the protocol that the request speaks.
fn refusal(request: &Request, status: u16, code: &str, message: &str) -> Answer {
    let json = header(&request.head, "content-type").is_some_and(|kind| kind.contains("json"))
        || request.path.starts_with("/clusters");
    let scope = header(&request.head, "authorization").unwrap_or_default();
    let body = if json {
        serde_json::json!({ "__type": code, "code": code, "message": message }).to_string()
    } else if scope.contains("/ec2/") {
        format!(
            "<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>\
             <RequestID>proxy-1</RequestID></Response>"
        )
    } else if scope.contains("/s3/") {
        format!("<Error><Code>{code}</Code><Message>{message}</Message><RequestId>proxy-1</RequestId></Error>")
    } else {
        format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>\
             <RequestId>proxy-1</RequestId></ErrorResponse>"
        )
    };
    let mut head = vec![("x-amzn-requestid".to_owned(), "proxy-1".to_owned())];
    if json {
        head.push(("x-amzn-errortype".to_owned(), code.to_owned()));
        head.push(("content-type".to_owned(), "application/json".to_owned()));
    } else {
        head.push(("content-type".to_owned(), "text/xml".to_owned()));
    }
    Answer { status, head, body: body.into_bytes() }
}
