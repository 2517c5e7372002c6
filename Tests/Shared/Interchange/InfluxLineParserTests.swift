import Interchange
import Telemetry
import Testing

@Suite("Influx line protocol parser")
struct InfluxLineParserTests {
    private static func strict(_ text: String) -> InfluxBatch {
        InfluxLineParser.parse(Array(text.utf8), options: .init(isStrict: true))
    }

    @Test("points become series")
    func points() {
        let text = """
            # a comment
            weather,location=us\\ mid\\,west,a\\=b=c\\d temp=82,wind\\ speed=-3i,n=7u,ok=t,note="a \\"b\\" \\\\, c=d",z=F \
            1465839830100400200

            my\\ mea=1 value=1.0e+3
            cpu-load,__host=x usage.idle=1.5
            """
        let batch = InfluxLineParser.parse(Array(text.utf8), options: .init(labels: [Label("db", "d")]))
        #expect(batch.errors == [] && batch.pointCount == 3 && batch.skippedStringCount == 1)
        #expect(batch.samples.map(\.value) == [82, -3, 7, 1, 0, 1000, 1.5])
        let labels = [Label("location", "us mid,west"), Label("a_b", "c\\d"), Label("db", "d")]
        #expect(batch.samples[1].key == SeriesKey(name: "weather_wind_speed", labels: labels))
        #expect(batch.samples[4].key.name == "weather_z")
        #expect(batch.samples[0].timestampMilliseconds == 1_465_839_830_100)
        #expect(batch.samples[5].timestampMilliseconds == nil && batch.samples[5].key.name == "my_mea_1_value")
        #expect(batch.samples[6].key.name == "cpu_load_usage_idle" && batch.samples[6].key["__host"] == "x")
    }

    @Test(
        "what the specification allows is accepted",
        arguments: [
            "m f=1", "m f=1.", "m f=.5", "m f=-1.0E+78", "m f=1i", "m f=-9223372036854775808i",
            "m f=18446744073709551615u", "m f=TRUE,g=False,h=f", "m f=\"\"", "m f=\"x,y z=1\"", "m f=1 -1",
            "m f=1 0000000000000000000", "m,t=\"q\" f=1", "m,t=a\\ b f=1\r", "m\\,x f=1", "m,é=☃ ü=1", "#,,,", "",
            "m,t=\\x f=1", "m f=\"\\\\\"", "m,a=1,b=2 f=1,g=2 9223372036854775806",
        ])
    func accepted(text: String) {
        #expect(Self.strict(text).errors == [])
    }

    static let refused: [(String, String)] = [
        ("m", "fields"), ("m ", "without a key"), ("m,t=1", "fields"), (",t=1 f=1", "measurement"), ("m, f=1", "key"),
        ("m,t f=1", "no value"), ("m,t= f=1", "empty"), ("m,=1 f=1", "key"), ("m,t=a=b f=1", "\\="),
        ("m,t=1,t=2 f=1", "twice"), ("m f", "no value"), ("m f=", "no value"), ("m =1", "key"), ("m f=1,", "key"),
        ("m f=1,,g=2", "key"), ("m f=abc", "field value"), ("m f=1x", "field value"), ("m f=1.0i", "field value"),
        ("m f=i", "field value"), ("m f=9223372036854775808i", "field value"), ("m f=-1u", "field value"),
        ("m f=18446744073709551616u", "field value"), ("m f=NaN", "field value"), ("m f=inf", "field value"),
        ("m f=+1", "field value"), ("m f=1e999", "field value"), ("m f=0x10", "field value"),
        ("m f=tRUE", "field value"), ("m f=trueish", "field value"), ("m f=\"abc", "not closed"),
        ("m f=\"a\"b", "after the string"), ("m f=1 1.5", "timestamp"), ("m f=1 now", "timestamp"),
        ("m f=1 1i", "timestamp"), ("m f=1 9223372036854775808", "timestamp"), ("m f=1 1 2", "after the timestamp"),
        ("_m f=1", "underscore"), ("m,_t=1 f=1", "underscore"), ("m _f=1", "underscore"), ("m\\ f=1", "fields"),
        ("m f=\"a\nb\"", "not closed"), ("m,__name__=x f=1", ""),
    ]

    @Test("what it forbids is refused, with line and reason", arguments: refused)
    func refusals(text: String, reason: String) {
        let batch = Self.strict("a b=1\n\(text)\nc d=2")
        #expect(batch.errors.first?.place == .line(2))
        #expect(batch.errors.first?.reason.contains(reason.isEmpty ? "" : reason) == true, "\(batch.errors)")
        #expect(batch.samples.first?.key.name == "a_b" && batch.samples.last?.key.name == "c_d")
    }

    @Test("a bad line costs nothing of the others, and errors are bounded")
    func partial() {
        let batch = InfluxLineParser.parse(Array("m a=1,b=x\n_n f=\"1\n2\",g=1 5\nm c=\n".utf8))
        #expect(batch.samples.map(\.key.name) == ["_n_g"] && batch.pointCount == 1)
        #expect(batch.errors.map(\.place) == [.line(1), .line(4)])
        let many = InfluxLineParser.parse(Array(String(repeating: "x\n", count: 100).utf8))
        #expect(many.errorCount == 100 && many.errors.count == InfluxBatch.errorsMax)
    }

    @Test("precisions scale, rounding down")
    func precisions() {
        let table: [(String, String, Int64)] = [
            ("ns", "-1", -1), ("us", "-1499999", -1500), ("ms", "-1499999", -1_499_999), ("", "1999999", 1),
            ("s", "-1499999", -1_499_999_000), ("m", "-1499999", -89_999_940_000), ("h", "2", 7_200_000),
        ]
        for (name, time, expected) in table {
            let options = InfluxLineParser.Options(precision: InfluxPrecision(parameter: name) ?? .hours)
            let batch = InfluxLineParser.parse(Array("m f=1 \(time)".utf8), options: options)
            #expect(batch.samples[0].timestampMilliseconds == expected)
        }
        let hours = InfluxLineParser.Options(precision: .hours)
        #expect(InfluxLineParser.parse(Array("m f=1 9223372036854775".utf8), options: hours).errorCount == 1)
        #expect(InfluxPrecision(parameter: "d") == nil)
    }

    @Test("every truncation and changed byte gives points or errors")
    func total() {
        let bytes = Array("m,t\\ =a f=\"x\\\"\",g=1i 12\n#c\nm f=t".utf8)
        for index in bytes.indices {
            _ = InfluxLineParser.parse(Array(bytes.prefix(index)))
            for value in [0, 10, 13, 32, 34, 44, 61, 92, 0x80] as [UInt8] {
                var changed = bytes
                changed[index] = value
                _ = InfluxLineParser.parse(changed)
                _ = InfluxLineParser.parse(changed, options: .init(isStrict: true))
            }
        }
    }
}
