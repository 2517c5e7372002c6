package import RuntimeSupport
import Sources
import Telemetry

extension LocalAction {
    static let section = "actions."
    static let hostsKey = "webhook-hosts"
    static let hostsMax = 16

    package static let documentation = [
        "actions.NAME (log, exec PATH [WORDS] or webhook ADDRESS; up to \(actionsMax))",
        "actions.NAME.match (rule=NAME, group=NAME, severity=LEVEL)", "actions.NAME.on (opened, closed)",
        "actions.NAME.rate (1 to \(rateMax) an hour, \(rateStandard))", "actions.NAME.timeout (100 ms to 5 min, 10 s)",
        "webhook-hosts (up to \(hostsMax) hosts beside loopback)",
    ]

    package static func isKey(_ key: String) -> Bool { key.hasPrefix(section) || key == hostsKey }

    /// The actions of a guard file, in the order of their names.
    /// - Throws: the first key that cannot be used, with its line.
    package static func read(_ document: SettingsDocument) throws(SettingsError) -> [LocalAction] {
        let hosts = list(document.entries[hostsKey]?.value ?? "")
        guard hosts.count <= hostsMax else { throw document.error(hostsKey, "names more than \(hostsMax) hosts") }
        var actions: [String: LocalAction] = [:]
        for key in document.keys where key.hasPrefix(section) && !key.dropFirst(section.count).contains(".") {
            let (name, value) = (String(key.dropFirst(section.count)), document.entries[key]?.value ?? "")
            guard name.utf8.count <= nameBytesMax else { throw document.error(key, "has a name over 32 bytes") }
            guard actions.count < actionsMax else { throw document.error(key, "is one more than \(actionsMax)") }
            switch kind(value, hosts) {
            case .kind(let kind): actions[name] = LocalAction(name: name, kind: kind)
            case .problem(let problem): throw document.error(key, problem)
            }
        }
        for key in document.keys where key.hasPrefix(section) && key.dropFirst(section.count).contains(".") {
            let parts = key.dropFirst(section.count).split(separator: ".", maxSplits: 1).map(String.init)
            guard parts.count == 2, var action = actions[parts[0]] else {
                throw document.error(key, "belongs to no action of that name")
            }
            if let problem = action.set(parts[1], document.entries[key]?.value ?? "") {
                throw document.error(key, problem)
            }
            actions[parts[0]] = action
        }
        return actions.values.sorted { $0.name < $1.name }
    }

    private enum Reading {
        case kind(Kind)
        case problem(String)
    }

    private static func kind(_ value: String, _ hosts: [String]) -> Reading {
        let words = value.split(separator: " ").map(String.init)
        switch words.first {
        case "log" where words.count == 1: return .kind(.log)
        case "exec" where words.count > 1:
            guard words.count - 2 <= wordsMax else { return .problem("has more than \(wordsMax) arguments") }
            guard words[1].hasPrefix("/"), !words[1].hasSuffix("/") else {
                return .problem("does not name a script by its absolute path")
            }
            return .kind(.exec(path: words[1], arguments: Array(words.dropFirst(2))))
        case "webhook" where words.count == 2:
            guard let target = HTTPTarget(words[1]) else {
                return .problem("is not an address like http://127.0.0.1:9000/path")
            }
            guard LoopbackHost.isLoopback(target.host) || hosts.contains(target.host) else {
                return .problem("leads to \(target.host), which is neither loopback nor among \(hostsKey)")
            }
            return .kind(.webhook(target))
        default: return .problem("is neither \"log\", \"exec PATH [WORDS]\" nor \"webhook ADDRESS\"")
        }
    }

    /// - Returns: what is wrong; nil if it was taken.
    private mutating func set(_ option: String, _ value: String) -> String? {
        switch option {
        case "match": return match.read(value)
        case "on":
            let states = Self.list(value)
            guard !states.isEmpty, states.allSatisfy({ $0 == "opened" || $0 == "closed" }) else {
                return "is neither opened, closed nor both"
            }
            (match.takesOpened, match.takesClosed) = (states.contains("opened"), states.contains("closed"))
        case "rate":
            guard let rate = Int(value), (1...Self.rateMax).contains(rate) else {
                return "is not a whole number from 1 to \(Self.rateMax), an hour"
            }
            ratePerHour = rate
        case "timeout":
            guard let time = SettingValue.duration(value), Self.timeoutMilliseconds.contains(time) else {
                return "is not a duration from 100 ms to 5 min"
            }
            timeoutMilliseconds = time
        default: return "is not an option of an action; there are match, on, rate and timeout"
        }
        return nil
    }

    static func list(_ value: String) -> [String] {
        value.split(separator: ",").map { part in
            var part = part.drop { $0 == " " }
            while part.last == " " { part.removeLast() }
            return String(part)
        }
    }
}

extension FindingMatch {
    static let partsMax = 32

    fileprivate mutating func read(_ value: String) -> String? {
        let parts = LocalAction.list(value)
        guard parts.count <= Self.partsMax else { return "has more than \(Self.partsMax) parts" }
        for part in parts {
            let sides = part.split(separator: "=", maxSplits: 1).map(String.init)
            guard sides.count == 2 else { return "has a part that is not rule=…, group=… or severity=…" }
            switch sides[0] {
            case "rule": rules.insert(sides[1])
            case "group": groups.insert(sides[1])
            case "severity":
                guard let severity = Finding.Severity.allCases.first(where: { $0.name == sides[1] }) else {
                    return "names a severity other than info, warning and critical"
                }
                severityMin = severity
            default: return "has a part that is not rule=…, group=… or severity=…"
            }
        }
        return nil
    }
}
