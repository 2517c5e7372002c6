/// A tenant, agent or group name: `[a-z0-9][a-z0-9._-]{0,63}`.
///
/// The grammar keeps every name usable, unescaped, as an MQTT topic level, a file name and a
/// label value. A leading `_` is reserved for the protocol's own topics and therefore refused.
public protocol Name: RawRepresentable, Hashable, Comparable, Sendable, CustomStringConvertible
where RawValue == String {
    /// What such a name names, for error messages: `"tenant"`, `"agent"`, `"group"`.
    static var role: String { get }
    init(unchecked rawValue: String)
}

/// The grammar of ``Name``, checked on bytes.
public enum NameGrammar {
    public static let lengthMax = 64

    /// - Complexity: O(length), bounded by ``lengthMax``.
    public static func isValid(_ text: String) -> Bool {
        let bytes = text.utf8
        guard let first = bytes.first, bytes.count <= lengthMax, isAlphanumeric(first) else { return false }
        return bytes.dropFirst().allSatisfy {
            isAlphanumeric($0) || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: "-")
        }
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }
}

/// A name that does not follow ``NameGrammar``.
public struct NameError: Error, Equatable, CustomStringConvertible {
    public let role: String
    public let text: String
    public var description: String {
        "invalid \(role) name \"\(text.prefix(80))\": use 1 to 64 of a-z 0-9 . _ - starting with a letter or digit"
    }
}

extension Name {
    public init?(rawValue: String) {
        guard NameGrammar.isValid(rawValue) else { return nil }
        self.init(unchecked: rawValue)
    }

    public init(validating text: String) throws(NameError) {
        guard NameGrammar.isValid(text) else { throw NameError(role: Self.role, text: text) }
        self.init(unchecked: text)
    }

    public var description: String { rawValue }
    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

/// The owner of data. Every storage call takes one.
public struct TenantID: Name {
    public static let role = "tenant"
    public let rawValue: String
    public init(unchecked rawValue: String) { self.rawValue = rawValue }
}

/// One edge node's agent within a tenant.
public struct AgentID: Name {
    public static let role = "agent"
    public let rawValue: String
    public init(unchecked rawValue: String) { self.rawValue = rawValue }
}

/// A group of agents that share a configuration manifest.
public struct GroupName: Name {
    public static let role = "group"
    public let rawValue: String
    public init(unchecked rawValue: String) { self.rawValue = rawValue }
}

extension GroupName {
    /// Of one agent, at most.
    public static let countMax = 8

    /// Reads a list such as `edge, canary`, in its order.
    /// - Returns: nil for a name outside the grammar, one that stands twice, or more than ``countMax``.
    public static func list(_ text: String) -> [GroupName]? {
        var names: [GroupName] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            var part = part.drop { $0 == " " }
            while part.last == " " { part.removeLast() }
            guard let name = GroupName(rawValue: String(part)), !names.contains(name) else { return nil }
            names.append(name)
        }
        return names.count <= countMax ? names : nil
    }
}
