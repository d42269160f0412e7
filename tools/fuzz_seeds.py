"""Short messages of each format: where the fuzzing of decoders begins."""

P1 = b"/A5\r\n\r\n1-3:0.2.8(50)\r\n0-0:1.0.0(261122000030W)\r\n1-0:1.8.1(001234.567*kWh)\r\n!"
SENML = b'[{"bn":"m1:","bt":1795300200,"n":"power","u":"W","v":812.5},{"n":"energy","u":"J","s":1}]'
# In CBOR; a push of one register; a file of two.
SENML_CBOR = bytes.fromhex("81a521636d313a221a6b021b680065706f77657201615702fb4089640000000000")
DLMS = bytes.fromhex("e6e7000f40000000000101020309060100010700ff060000011802020f00161b")
SML = bytes.fromhex(
    "1b1b1b1b010101017605010203016200620072630101760101040000010a0a0149534b313233340101639c2b"
    "00760501020302620062007263070177010a0a0149534b3132333401017277070100010800ff65001c010401"
    "621e52ff590000000000bc614e0177070100100700ff0101621b01550000020001010163048e007605010203"
    "036200620072630201710163f61400001b1b1b1b1a015f39"
)
NGSI = (
    b'{"id":"a","type":"TrafficFlowObserved","intensity":10,"dateObserved":"2026-11-21T22:00:00Z"}'
)
WMBUS = b'{"media":"water","meter":"iperl","name":"w","id":"12345678","total_m3":1.5}'
NEM = b"100,NEM12,202611220000,M,R\n200,N1,E1,1,E1,N1,M,kWh,60,\n300,20261121,%b,A,,,,\n900"
ESPI = b'<feed xmlns="http://www.w3.org/2005/Atom"><entry><content/></entry></feed>'
