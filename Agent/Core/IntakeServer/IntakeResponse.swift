import Intake

/// A finished answer.
struct IntakeResponse: Sendable {
    var status: Int
    var contentType = "application/json"
    var headers: [(name: String, value: String)] = []
    var body: String
    /// Instead of `body`, for what is no text.
    var bytes: [UInt8]?

    static func text(_ body: String, contentType: String = "text/plain; charset=utf-8") -> IntakeResponse {
        IntakeResponse(status: 200, contentType: contentType, body: body)
    }

    /// RFC 9457. `extra` is further members, each beginning with a comma.
    static func problem(_ status: Int, _ title: String, _ detail: String, extra: String = "") -> IntakeResponse {
        let body =
            #"{"type":"about:blank","title":\#(JSONText.string(title)),"status":\#(status),"#
            + #""detail":\#(JSONText.string(detail))\#(extra)}"#
        return IntakeResponse(status: status, contentType: "application/problem+json", body: body + "\n")
    }

    /// ListenBrainz's form of an error.
    static func listenBrainz(_ status: Int, _ error: String) -> IntakeResponse {
        IntakeResponse(status: status, body: #"{"code":\#(status),"error":\#(JSONText.string(error))}"#)
    }

    func retryAfter(seconds: Int) -> IntakeResponse {
        var response = self
        response.headers.append(("Retry-After", "\(seconds)"))
        return response
    }
}

/// The little JSON that the intake writes.
enum JSONText {
    static func string(_ text: String) -> String {
        var out = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": out += "\\\""
            case "\\": out += "\\\\"
            case "\n": out += "\\n"
            case "\u{0}"..<" ":
                let hexadecimal = String(scalar.value, radix: 16)
                out += "\\u" + String(repeating: "0", count: 4 - hexadecimal.count) + hexadecimal
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out + "\""
    }

    /// `"rejected":[…],"rejected_count":n`
    static func members(_ rejections: IntakeRejections) -> String {
        let list = rejections.listed.map {
            #"{"index":\#($0.index),"field":\#($0.field.map(string) ?? "null"),"reason":\#(string($0.reason))}"#
        }
        return #""rejected":[\#(list.joined(separator: ","))],"rejected_count":\#(rejections.count)"#
    }
}
