package import Actions
package import RuntimeSupport

/// What nothing remote may do on this node; read from the local guard file, which nothing remote can change.
///
/// Keys, in the settings' language:
/// * `remote-configuration` (on or off, on): off refuses every manifest.
/// * `remote-commands` (on or off, on): off refuses every command.
/// * `deny` (names separated by commas, none): keys that no manifest may set; `collectors.*` is all collectors, `rules.*`
///   all rules.
/// * `flush-interval-min`, `collection-interval-min` (duration, 200 ms and 100 ms): faster is not accepted,
///   neither in a manifest nor wanted by an acknowledgement.
/// * `buffer-bytes-max` (bytes, 64 GiB): a manifest may not ask for more.
/// * `actions.NAME` and its options, `webhook-hosts`: what the node does about findings, see ``LocalAction``. They stand
///   here and nowhere else.
package struct GuardLimits: Sendable, Equatable {
    package var allowsRemoteConfiguration = true
    package var allowsRemoteCommands = true
    package var deniedKeys: Set<String> = []
    package var flushIntervalMillisecondsMin: Int64 = 200
    package var collectionIntervalMillisecondsMin: Int64 = 100
    package var bufferBytesMax = 64 << 30
    /// In the order of their names.
    package var actions: [LocalAction] = []

    /// What the guard file may hold.
    package static let keys = [
        "remote-configuration (on or off)", "remote-commands (on or off)", "deny (keys, collectors.*, rules.*)",
        "flush-interval-min (100 ms to 60 s)", "collection-interval-min (100 ms to 60 s)", "buffer-bytes-max (a size)",
    ]
    /// What the node does about findings.
    package static let actionKeys = LocalAction.documentation

    package init() {}

    package init(_ document: SettingsDocument) throws(SettingsError) {
        for key in document.keys {
            guard let entry = document.entries[key] else { continue }
            let value = entry.value
            func wrong(_ problem: String) -> SettingsError {
                SettingsError(source: document.source, line: entry.line, key: key, value: value, problem: problem)
            }
            switch key {
            case "remote-configuration", "remote-commands":
                guard let isOn = SettingValue.boolean(value) else { throw wrong("is neither on nor off") }
                if key == "remote-commands" { allowsRemoteCommands = isOn } else { allowsRemoteConfiguration = isOn }
            case "deny":
                for part in value.split(separator: ",") {
                    let name = String(part.drop { $0 == " " }.prefix { $0 != " " })
                    guard
                        AgentSettings.keysByName[name] != nil || name.hasPrefix(AgentSettings.collectorSection)
                            || name.hasPrefix(AgentSettings.ruleSection)
                    else {
                        throw wrong("names \(name), which is not a key")
                    }
                    deniedKeys.insert(name)
                }
            case "flush-interval-min", "collection-interval-min":
                guard let milliseconds = SettingValue.duration(value), (100...60_000).contains(milliseconds) else {
                    throw wrong("is not a duration from 100 ms to 60 s")
                }
                if key == "flush-interval-min" {
                    flushIntervalMillisecondsMin = milliseconds
                } else {
                    collectionIntervalMillisecondsMin = milliseconds
                }
            case "buffer-bytes-max":
                guard let bytes = SettingValue.bytes(value), bytes > 0 else { throw wrong("is not a size") }
                bufferBytesMax = bytes
            case _ where LocalAction.isKey(key): continue  // read together below
            default: throw wrong("is not a key of the guard file")
            }
        }
        actions = try LocalAction.read(document)
    }

    /// - Returns: why a manifest may not set this key here; nil if it may.
    func objection(to name: String) -> String? {
        let isDenied =
            deniedKeys.contains(name)
            || (name.hasPrefix(AgentSettings.collectorSection) && deniedKeys.contains("collectors.*"))
            || (name.hasPrefix(AgentSettings.ruleSection) && deniedKeys.contains("rules.*"))
        if isDenied { return "is denied by this node's guard file" }
        if AgentSettings.keysByName[name]?.isRemote == false || AgentSettings.isSourceSection(name) {
            return "can be set on the node only"
        }
        return nil
    }

    /// - Returns: the key and what is wrong when settings from a manifest go beyond the limits.
    func objection(to settings: AgentSettings) -> (key: String, problem: String)? {
        if settings.flushIntervalMilliseconds < flushIntervalMillisecondsMin {
            return ("flush-interval", "is below this node's guard of \(flushIntervalMillisecondsMin) ms")
        }
        let fastest = settings.collectors.values.compactMap(\.intervalMilliseconds).min() ?? .max
        if min(settings.collectionIntervalMilliseconds, fastest) < collectionIntervalMillisecondsMin {
            return ("collection-interval", "is below this node's guard of \(collectionIntervalMillisecondsMin) ms")
        }
        if settings.bufferBytesMax > bufferBytesMax {
            return ("buffer-bytes-max", "is above this node's guard of \(SettingValue.show(bytes: bufferBytesMax))")
        }
        return nil
    }
}
