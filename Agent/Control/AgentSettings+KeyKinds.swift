import RuntimeSupport

/// The kinds of keys that ``AgentSettings/keys`` lists. Key paths to stored properties of a Sendable struct
/// are themselves safe to share.
extension AgentSettings {
    typealias Property<Value> = any WritableKeyPath<AgentSettings, Value> & Sendable

    static func text(
        _ name: String, _ property: Property<String?>, standard: String, isRemote: Bool, _ meaning: String
    ) -> SettingKey {
        SettingKey(
            name: name, type: "text", standard: standard, range: "1 to 253 bytes", meaning: meaning, isRemote: isRemote
        ) { value, settings in
            guard (1...253).contains(value.utf8.count), !value.contains(where: { $0.isWhitespace }) else {
                return "is empty, longer than 253 bytes or holds a space"
            }
            settings[keyPath: property] = value
            return nil
        }
    }

    static func path(_ name: String, _ property: Property<String>, _ meaning: String) -> SettingKey {
        SettingKey(
            name: name, type: "path", standard: AgentSettings()[keyPath: property], range: "absolute",
            meaning: meaning, isRemote: false
        ) { value, settings in
            guard value.hasPrefix("/"), value.utf8.count < 4096 else { return "is not an absolute path" }
            settings[keyPath: property] = value
            return nil
        }
    }

    static func bytes(
        _ name: String, _ property: Property<Int>, _ range: ClosedRange<Int>, isRemote: Bool, _ meaning: String
    ) -> SettingKey {
        let limits = "\(SettingValue.show(bytes: range.lowerBound)) to \(SettingValue.show(bytes: range.upperBound))"
        return SettingKey(
            name: name, type: "bytes", standard: SettingValue.show(bytes: AgentSettings()[keyPath: property]),
            range: limits, meaning: meaning, isRemote: isRemote
        ) { value, settings in
            guard let bytes = SettingValue.bytes(value), range.contains(bytes) else {
                return "is not a size from \(limits)"
            }
            settings[keyPath: property] = bytes
            return nil
        }
    }

    static func duration(
        _ name: String, _ property: Property<Int64>, _ range: ClosedRange<Int64>, isRemote: Bool = true,
        _ meaning: String
    ) -> SettingKey {
        let limits =
            SettingValue.show(milliseconds: range.lowerBound) + " to "
            + SettingValue.show(milliseconds: range.upperBound)
        return SettingKey(
            name: name, type: "duration", standard: SettingValue.show(milliseconds: AgentSettings()[keyPath: property]),
            range: limits, meaning: meaning, isRemote: isRemote
        ) { value, settings in
            guard let milliseconds = SettingValue.duration(value), range.contains(milliseconds) else {
                return "is not a duration from \(limits)"
            }
            settings[keyPath: property] = milliseconds
            return nil
        }
    }

    static func count(
        _ name: String, _ property: Property<Int>, _ range: ClosedRange<Int>, _ meaning: String
    ) -> SettingKey {
        let limits = "\(range.lowerBound) to \(range.upperBound)"
        return SettingKey(
            name: name, type: "number", standard: "\(AgentSettings()[keyPath: property])", range: limits,
            meaning: meaning, isRemote: false
        ) { value, settings in
            guard let number = Int(value), range.contains(number) else { return "is not a whole number from \(limits)" }
            settings[keyPath: property] = number
            return nil
        }
    }

    static func choice<Choice>(
        _ name: String, _ property: Property<Choice>, isRemote: Bool, _ meaning: String
    ) -> SettingKey where Choice: RawRepresentable<String> & CaseIterable & Sendable {
        let choices = Choice.allCases.map(\.rawValue).joined(separator: ", ")
        return SettingKey(
            name: name, type: "choice", standard: AgentSettings()[keyPath: property].rawValue, range: choices,
            meaning: meaning, isRemote: isRemote
        ) { value, settings in
            guard let choice = Choice(rawValue: value) else { return "is not one of \(choices)" }
            settings[keyPath: property] = choice
            return nil
        }
    }
}
