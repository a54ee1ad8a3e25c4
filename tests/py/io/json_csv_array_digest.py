# What json, csv and array make of random values, as one digest: their short cuts change nothing.
import json, csv, io, array, random, hashlib
h=hashlib.sha256(); rng=random.Random(5)
alpha='ab ,"\'\\\n\r\t\x00\x1f\x7f\x80é€😀/xyz01'
def s(): return ''.join(rng.choice(alpha) for _ in range(rng.randrange(40)))
def v(d=0):
    k=rng.randrange(9)
    if d>40 or k<3: return s()
    if k==3: return rng.random()
    if k==4: return rng.choice([None,True,False,3,-7])
    if k<7: return [v(d+1) for _ in range(rng.randrange(3))]
    return {s():v(d+1) for _ in range(rng.randrange(3))}
for i in range(1500):
    o=v()
    for kw in ({},{'ensure_ascii':False},{'indent':1},{'check_circular':False}):
        h.update(json.dumps(o,**kw).encode('utf8','surrogatepass'))
d=[]; x=d
for i in range(60): y=[]; x.append(y); x=y
h.update(json.dumps(d).encode())
x.append(d)
try: json.dumps(d)
except ValueError as e: h.update(str(e).encode())
l=[];l.append(l)
try: json.dumps(l)
except ValueError as e: h.update(str(e).encode())
for i in range(2500):
    text=''.join(rng.choice('ab,;"\'\\\n\r \té€') for _ in range(rng.randrange(60)))
    kw=rng.choice([{}, {'delimiter':';'},{'quoting':csv.QUOTE_NONE},{'quoting':csv.QUOTE_NONNUMERIC},{'skipinitialspace':True},{'escapechar':'\\'},{'doublequote':False,'escapechar':'\\'},{'strict':True},{'quoting':csv.QUOTE_ALL},{'quotechar':"'"},{'quoting':csv.QUOTE_STRINGS},{'quoting':csv.QUOTE_NOTNULL},{'quotechar':None,'quoting':csv.QUOTE_NONE}])
    for src in (io.StringIO(text, newline=''), text.splitlines(), [text]):
        try: r=repr(list(csv.reader(src,**kw)))
        except Exception as e: r=repr(e)
        h.update(r.encode())
    o=io.StringIO()
    try:
        csv.writer(o,**kw).writerows([[s(),s(),rng.choice([None,1,2.5,''])] for _ in range(3)]); r=o.getvalue()
    except Exception as e: r=repr(e)
    h.update(r.encode())
for i in range(1500):
    t=rng.choice('bBhHiIlLqQfd'); lo=0 if t.isupper() else -3
    a=array.array(t,[rng.randrange(lo,5) for _ in range(rng.randrange(12))]); b=array.array(rng.choice(t+'d'),[rng.randrange(0,5) for _ in range(rng.randrange(12))])
    q=rng.choice([0,1,2.0,-1,4.5,float('nan'),True,2**70,2**31,1.0,'x',-3])
    try: ix=a.index(q,rng.randrange(3))
    except ValueError as e: ix=str(e)
    a2=a[:]; 
    a2.byteswap()
    h.update(repr((a.count(q),ix,a==b,a<b,a>=b,a!=b,a<a[:],a2.tolist(),a*3)).encode())
print(h.hexdigest())

# -> 47072ce8abe5b97d60d7fdf9991f8a3b2e3f078ec41e102358dfbe48a47b2c54
