/// A part of a YAML document, with where it begins.
package struct YAMLNode: Sendable {
    package indirect enum Content: Sendable {
        /// A plain scalar may be a number or null; a quoted one or a block is a text.
        case scalar(String, isPlain: Bool)
        case sequence([YAMLNode])
        /// In the order of the text; keys differ.
        case mapping([(key: YAMLNode, value: YAMLNode)])
    }
    package var content: Content
    /// From 1.
    package var line: Int
    /// From 1.
    package var column: Int
    /// Itself and all below.
    package var nodeCount: Int

    /// The text of a scalar, whatever it looks like; null is empty.
    package var text: String? {
        guard case .scalar(let text, _) = content else { return nil }
        return isNull ? "" : text
    }

    package var isNull: Bool {
        guard case .scalar(let text, isPlain: true) = content else { return false }
        return ["", "~", "null", "Null", "NULL"].contains(text)
    }

    /// How a message calls it.
    package var kindName: String {
        switch content {
        case .scalar: "a single value"
        case .sequence: "a list"
        case .mapping: "a mapping"
        }
    }
}

/// Why a text is no YAML.
package struct YAMLError: Error, Sendable {
    /// From 1.
    package let line: Int
    package let message: String
}
