import FoundationEssentials
import Telemetry

/// The members of a small JSON object that an administrator sends; errors name the member.
struct BodyFields {
    static let bytesMax = 16 * 1024

    private enum Value: Decodable {
        case text(String), number(Int64), flag(Bool), null
        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if container.decodeNil() {
                self = .null
            } else if let number = try? container.decode(Int64.self) {
                self = .number(number)
            } else if let flag = try? container.decode(Bool.self) {
                self = .flag(flag)
            } else {
                self = .text(try container.decode(String.self))
            }
        }
    }
    private let values: [String: Value]

    /// - Parameter known: other members are an error, so that a misspelt one is noticed.
    init(_ bytes: [UInt8], known: [String]) throws {
        do {
            values = bytes.isEmpty ? [:] : try JSONDecoder().decode([String: Value].self, from: Data(bytes))
        } catch {
            throw Problem(
                .invalidRequest, "the body must be a JSON object whose members are texts, whole numbers or truths")
        }
        if let stranger = values.keys.filter({ !known.contains($0) }).min() {
            throw Problem(
                .invalidRequest, "unknown member \"\(stranger.prefix(64))\"; known: \(known.joined(separator: ", "))")
        }
    }

    func text(_ name: String) throws -> String? {
        switch values[name] {
        case .text(let text): return text
        case nil, .null: return nil
        case .number, .flag: throw Problem(.invalidRequest, "\(name): a text, not a number or truth")
        }
    }

    func integer(_ name: String) throws -> Int64? {
        switch values[name] {
        case .number(let number): return number
        case nil, .null: return nil
        case .text, .flag: throw Problem(.invalidRequest, "\(name): a whole number, not a text or truth")
        }
    }

    func flag(_ name: String) throws -> Bool? {
        switch values[name] {
        case .flag(let flag): return flag
        case nil, .null: return nil
        case .text, .number: throw Problem(.invalidRequest, "\(name): true or false")
        }
    }

    /// A lifetime: 1 second to 10 years.
    func seconds(_ name: String) throws -> Int64? {
        guard let seconds = try integer(name) else { return nil }
        guard (1...315_360_000).contains(seconds) else {
            throw Problem(.invalidRequest, "\(name): 1 to 315360000 seconds")
        }
        return seconds
    }

    func name<N: Name>(_ type: N.Type, _ name: String) throws -> N? {
        guard let text = try text(name) else { return nil }
        do { return try N(validating: text) } catch { throw Problem(.invalidRequest, "\(name): \(error)") }
    }

    func requiredName<N: Name>(_ type: N.Type, _ name: String) throws -> N {
        guard let value = try self.name(type, name) else { throw Problem(.invalidRequest, "\(name) is missing") }
        return value
    }

    func requiredChoice<Value: RawRepresentable<String> & CaseIterable>(
        _ name: String, _ type: Value.Type
    ) throws -> Value {
        let choices = Value.allCases.map(\.rawValue).joined(separator: ", ")
        guard let text = try text(name) else { throw Problem(.invalidRequest, "\(name) is missing: one of \(choices)") }
        guard let value = Value(rawValue: text) else {
            throw Problem(.invalidRequest, "\(name): one of \(choices), not \"\(text.prefix(64))\"")
        }
        return value
    }
}

extension APIRequest {
    func fields(_ known: [String]) async throws -> BodyFields {
        try BodyFields(try await body(upTo: BodyFields.bytesMax), known: known)
    }
}
