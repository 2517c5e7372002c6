import CYAML

/// Reads the first document of a YAML 1.1 text into nodes, by libyaml's events.
///
/// Anchors, aliases and merge keys (`<<`) are resolved. Bounded: ``bytesMax``, ``nodesMax`` (aliases count with all that
/// they stand for) and ``depthMax``; total: any bytes give a node or a ``YAMLError``.
package struct YAMLReader {
    package static let bytesMax = 4 << 20
    package static let nodesMax = 200_000
    package static let depthMax = 64

    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private var anchors: [String: YAMLNode] = [:]
    private var nodeCount = 0

    /// - Returns: nil for an empty document.
    package static func read(_ bytes: [UInt8]) throws(YAMLError) -> YAMLNode? {
        guard bytes.count <= bytesMax else { throw YAMLError(line: 1, message: "more than \(bytesMax) bytes") }
        let parser = UnsafeMutablePointer<yaml_parser_t>.allocate(capacity: 1)
        defer { parser.deallocate() }
        guard yaml_parser_initialize(parser) == 1 else { throw YAMLError(line: 1, message: "no memory") }
        defer { yaml_parser_delete(parser) }
        var result: Result<YAMLNode?, YAMLError> = .success(nil)
        bytes.withUnsafeBufferPointer { buffer in
            yaml_parser_set_input_string(parser, buffer.baseAddress, buffer.count)
            var reader = YAMLReader(parser: parser)
            result = Result { () throws(YAMLError) in try reader.document() }
        }
        return try result.get()
    }

    private init(parser: UnsafeMutablePointer<yaml_parser_t>) { self.parser = parser }

    private enum Event {
        case scalar(String, isPlain: Bool)
        case alias(String)
        case sequence
        case mapping
        case end
        /// Of the stream or a document.
        case other
        case streamEnd
    }
    private struct Placed {
        let event: Event
        let anchor: String?
        let line: Int
        let column: Int
    }

    private mutating func document() throws(YAMLError) -> YAMLNode? {
        while true {
            let next = try next()
            switch next.event {
            case .streamEnd: return nil
            case .other: continue
            default: return try node(next, depth: 0)
            }
        }
    }

    private func next() throws(YAMLError) -> Placed {
        var event = yaml_event_t()
        guard yaml_parser_parse(parser, &event) == 1 else {
            let problem = parser.pointee.problem.map { String(cString: $0) } ?? "not YAML"
            throw YAMLError(line: Int(parser.pointee.problem_mark.line) + 1, message: problem)
        }
        defer { yaml_event_delete(&event) }
        func text(_ pointer: UnsafeMutablePointer<yaml_char_t>?) -> String? {
            pointer.map { String(cString: $0) }
        }
        let kind: Event
        var anchor: String?
        switch event.type {
        case YAML_SCALAR_EVENT:
            let scalar = event.data.scalar
            let value = UnsafeBufferPointer(start: scalar.value, count: scalar.length)
            kind = .scalar(
                String(decoding: value, as: UTF8.self),
                isPlain: scalar.style == YAML_PLAIN_SCALAR_STYLE && scalar.plain_implicit == 1)
            anchor = text(scalar.anchor)
        case YAML_ALIAS_EVENT: kind = .alias(text(event.data.alias.anchor) ?? "")
        case YAML_SEQUENCE_START_EVENT:
            kind = .sequence
            anchor = text(event.data.sequence_start.anchor)
        case YAML_MAPPING_START_EVENT:
            kind = .mapping
            anchor = text(event.data.mapping_start.anchor)
        case YAML_SEQUENCE_END_EVENT, YAML_MAPPING_END_EVENT: kind = .end
        case YAML_STREAM_END_EVENT: kind = .streamEnd
        default: kind = .other
        }
        return Placed(
            event: kind, anchor: anchor, line: Int(event.start_mark.line) + 1,
            column: Int(event.start_mark.column) + 1)
    }

    private mutating func count(_ nodes: Int, line: Int) throws(YAMLError) {
        nodeCount += nodes
        guard nodeCount <= Self.nodesMax else {
            throw YAMLError(line: line, message: "more than \(Self.nodesMax) values, those of aliases included")
        }
    }

    private mutating func node(_ start: Placed, depth: Int) throws(YAMLError) -> YAMLNode {
        guard depth < Self.depthMax else { throw YAMLError(line: start.line, message: "nested too deeply") }
        let content: YAMLNode.Content
        var size = 1
        switch start.event {
        case .alias(let name):
            guard let known = anchors[name] else {
                throw YAMLError(line: start.line, message: "unknown anchor '\(name.prefix(64))' referenced")
            }
            try count(known.nodeCount, line: start.line)
            return known
        case .scalar(let text, let isPlain): content = .scalar(text, isPlain: isPlain)
        case .sequence:
            var items: [YAMLNode] = []
            while let item = try item(depth) {
                size += item.nodeCount
                items.append(item)
            }
            content = .sequence(items)
        case .mapping:
            var entries: [(key: YAMLNode, value: YAMLNode)] = []
            while let key = try item(depth) {
                guard let value = try item(depth) else { break }
                size += key.nodeCount + value.nodeCount
                entries.append((key, value))
            }
            content = .mapping(try Self.merged(entries))
        case .end, .other, .streamEnd: throw YAMLError(line: start.line, message: "a value is missing")
        }
        try count(1, line: start.line)
        let node = YAMLNode(content: content, line: start.line, column: start.column, nodeCount: size)
        if let anchor = start.anchor { anchors[anchor] = node }
        return node
    }

    /// - Returns: nil at the end of the list or mapping.
    private mutating func item(_ depth: Int) throws(YAMLError) -> YAMLNode? {
        let placed = try next()
        if case .end = placed.event { return nil }
        return try node(placed, depth: depth + 1)
    }

    /// Takes in what `<<` refers to; keys that stand here win.
    private static func merged(
        _ entries: [(key: YAMLNode, value: YAMLNode)]
    ) throws(YAMLError) -> [(key: YAMLNode, value: YAMLNode)] {
        var result: [(key: YAMLNode, value: YAMLNode)] = []
        var names: [String: Int] = [:]
        var merges: [YAMLNode] = []
        for entry in entries {
            guard case .scalar(let name, let isPlain) = entry.key.content else {
                throw YAMLError(line: entry.key.line, message: "a mapping's key has to be a single value")
            }
            if name == "<<", isPlain {
                merges.append(entry.value)
                continue
            }
            if let first = names[name] {
                throw YAMLError(
                    line: entry.key.line, message: "mapping key \"\(name)\" already defined at line \(first)")
            }
            names[name] = entry.key.line
            result.append(entry)
        }
        for merge in merges {
            let sources: [YAMLNode]
            if case .sequence(let items) = merge.content { sources = items } else { sources = [merge] }
            for source in sources {
                guard case .mapping(let others) = source.content else {
                    throw YAMLError(
                        line: merge.line, message: "map merge requires map or sequence of maps as the value")
                }
                for other in others where names[other.key.text ?? ""] == nil {
                    names[other.key.text ?? ""] = other.key.line
                    result.append(other)
                }
            }
        }
        return result
    }
}
